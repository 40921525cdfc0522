"""Models by name: each module has `build(task, *, …) -> torch.nn.Module`."""

MODELS: dict[str, str] = {
    "small_cnn": "harness.models.small_cnn",
    "resnet": "harness.models.resnet",
    "vit": "harness.models.vit",
}
