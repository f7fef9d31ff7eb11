# The paper's figures, from the tidy tables.


rule plot:
    input:
        tables=lambda wildcards: tidy(FIGURES[wildcards.figure]),
    output:
        svg="<results>/figures/{figure}.svg",
        pdf="<results>/figures/{figure}.pdf",
    log:
        "<logs>/figures/{figure}.log",
    wildcard_constraints:
        figure=one_of(FIGURES_OF_STUDY),
    params:
        code=lambda wildcards: code(
            "plot", f"tangent.report.figures.{wildcards.figure}"
        ),
    message:
        "draw {wildcards.figure}"
    shell:
        "python -m scripts.plot --figure {wildcards.figure} --tables-dir {params.tables_dir}"
        " --output-svg {output.svg} --output-pdf {output.pdf}"
        " --code {params.code} --log {log}"
