"""Models by name: each module has `build(task, *, …) -> torch.nn.Module`."""

MODELS: dict[str, str] = {
    "bilstm": "harness.models.bilstm",
    "ft_transformer": "harness.models.ft_transformer",
    "lstm": "harness.models.lstm",
    "resnet": "harness.models.resnet",
    "small_cnn": "harness.models.small_cnn",
    "transformer_encoder": "harness.models.transformer_encoder",
    "vit": "harness.models.vit",
}
