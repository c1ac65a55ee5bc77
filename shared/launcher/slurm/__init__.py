"""What the slurm engine is made of: a site's settings, batch scripts, the queue, and following a job."""
