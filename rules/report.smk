# The report: one file that opens offline.


rule report:
    input:
        config="<results>/config.yaml",
        tables=tidy(TABLES_OF_STUDY),
        paper_tables=expand("<results>/tables/{table}.md", table=PAPER_TABLES),
        figures=expand("<results>/figures/{figure}.svg", figure=FIGURES_OF_STUDY),
    output:
        report="<results>/report/index.html",
    params:
        study_dir=subpath(input.config, parent=True),
    message:
        "write the report"
    shell:
        "python -m scripts.report --study-dir {params.study_dir} --output {output.report}"
        " --code {params.code} --log {log}"
