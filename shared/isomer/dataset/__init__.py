"""The canonical dataset: pictures, one COCO file a split, and dataset.json."""
