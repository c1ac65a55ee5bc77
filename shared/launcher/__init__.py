"""The host's side: engines that run one step of one image, and what the verbs do with them."""
