"""What every image carries: flags, contract, datasets, evaluation, run folders. Imports no framework."""
