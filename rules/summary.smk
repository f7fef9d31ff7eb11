"""What tables and figures read and write; no rules."""


def raw_results_of(wildcards):
    """The raw results that a tidy table concatenates, in order."""
    return [f"{RESULTS}/{path}" for path in raw_results(CONFIG, wildcards.table)]


def tables_read(wildcards):
    """The tidy tables that another one is computed from."""
    return expand("<results>/tables/{table}.csv", table=TABLES[wildcards.table].tables)


def entry_of(wildcards):
    """What of a table's entry is in its content; an edit of another entry runs nothing again."""
    entry = TABLES[wildcards.get("table", "claims")]
    return " ".join([*entry.columns, *entry.order])


def family_label(model):
    """The block of the claims table that a model belongs to, such as `CLIP, ViT`."""
    label = FAMILIES[CONFIG.family_of(model)].label
    return ", ".join(filter(None, [label, CONFIG.architectures.get(model)]))


def family_labels():
    """MODEL=LABEL of every model."""
    return flags(families=[f"{model}={family_label(model)}" for model in CONFIG.models])


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
