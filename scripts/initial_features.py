"""Features f(x; θ0) of a data set's validation and test images: the table that α = 0 reads."""

from scripts.encoder_arguments import TableArguments
from tangent.jobs.progress import Progress


class Arguments(TableArguments):
    pass


def run(arguments: Arguments) -> None:
    """Write one file per split, with one tensor `features` [images, features]."""
    from tangent.evaluation.features import encode

    dataset = arguments.dataset
    load = arguments.images_of()
    encoder = arguments.load_encoder()
    for split in ("validation", "test"):
        images = load(dataset, split)
        with Progress(f"features, {dataset}, {split}", len(images), "image") as progress:
            features = encode(encoder, images, arguments.batch_size, arguments.autocast, progress)
        arguments.write_table(split, {"features": features})
