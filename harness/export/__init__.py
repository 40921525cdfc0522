"""The deployable folder of a variant, and its model card."""
