"""What tables and figures read and write; no rules."""


def raw_results_of(wildcards):
    """The raw results that a tidy table concatenates, in order."""
    return [f"{RESULTS}/{path}" for path in raw_results(CONFIG, wildcards.table)]


def tables_read(wildcards):
    """The tidy tables that another one is computed from."""
    return expand("<results>/tables/{table}.csv", table=TABLES[wildcards.table].tables)


def entry_of(wildcards):
    """What of a table's entry is in its content; an edit of another entry runs nothing again."""
    entry = TABLES[wildcards.table]
    return " ".join([*entry.columns, *entry.order])


def family_labels():
    """The block of the claims table that each model belongs to, such as `CLIP, ViT`."""
    labels = {model: FAMILIES[CONFIG.family_of(model)].label for model in CONFIG.models}
    return {
        model: ", ".join(filter(None, [label, CONFIG.architectures.get(model)]))
        for model, label in labels.items()
    }


def drawn(names):
    """The files of figures."""
    return expand(
        "<results>/figures/{figure}.{format}", figure=names, format=["svg", "pdf"]
    )


def written(names):
    """The files of the paper's tables."""
    return expand(
        "<results>/tables/{table}.{format}", table=names, format=["md", "tex"]
    )
