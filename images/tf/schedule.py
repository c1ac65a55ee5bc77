"""Optimizer and learning rate, by the Model Garden's own configuration: Adam or AdamW, EMA, warm-up, --schedule."""

from __future__ import annotations

import recipe
import tf_keras
from model import Task
from official.core.config_definitions import RuntimeConfig, TrainerConfig
from official.modeling.optimization import OptimizationConfig
from recipe import Recipe

from isomer.flags import Train
from isomer.training import Plan

NOT_DECAYED = ["bias", "gamma", "beta"]  # small ones are no simpler than large ones


def configure(plan: Plan, numbers: Recipe, options: Train) -> TrainerConfig:
    """The trainer's configuration for a whole run."""
    adamw = {"weight_decay_rate": numbers.weight_decay, "exclude_from_weight_decay": NOT_DECAYED}
    config = {
        "optimizer": {"type": "adamw", "adamw": adamw | {"gradient_clip_norm": 0.0}}
        if numbers.weight_decay
        else {"type": "adam"},
        "learning_rate": _learning_rate(plan, numbers, options.schedule),
    }
    rising = round(plan.steps * numbers.warmup)
    if rising:
        config["warmup"] = {"type": "linear", "linear": {"warmup_steps": rising}}
    if options.ema:
        # in the first steps it follows faster, or a short run's average would remember the weights it began with
        config["ema"] = {"average_decay": options.ema, "dynamic_decay": True}
    return TrainerConfig(train_steps=plan.steps, optimizer_config=OptimizationConfig(config))


def optimizer(task: Task, config: TrainerConfig) -> tf_keras.optimizers.Optimizer:
    """The optimizer, for the precision that layers are made with now: float16 needs its loss scaled."""
    half = tf_keras.mixed_precision.global_policy().name == "mixed_float16"
    runtime = RuntimeConfig(mixed_precision_dtype="float16", loss_scale="dynamic") if half else None
    return task.create_optimizer(config.optimizer_config, runtime)


def _learning_rate(plan: Plan, numbers: Recipe, schedule: str) -> dict:
    if schedule == "cosine":
        return {"type": "cosine", "cosine": {"initial_learning_rate": numbers.lr, "decay_steps": plan.steps}}
    if schedule == "constant":
        return {"type": "constant", "constant": {"learning_rate": numbers.lr}}
    values = [numbers.lr * recipe.STEP_FACTOR**drops for drops in range(len(recipe.STEP_DROPS) + 1)]
    boundaries = [max(round(plan.steps * drop), number) for number, drop in enumerate(recipe.STEP_DROPS, start=1)]
    return {"type": "stepwise", "stepwise": {"boundaries": boundaries, "values": values}}
