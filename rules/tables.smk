# Tidy tables of all evaluations, the paper's tables, figures and claims, and the report.


rule resolved_config:
    output:
        config="<results>/config.yaml",
    log:
        "<logs>/config.log",
    params:
        config=lambda wildcards: CONFIG_JSON,
    message:
        "keep the study's configuration beside its results"
    shell:
        "python -m scripts resolved_config --config {params.config:q} --output {output.config} {params.recorded}"


# A script's command line holds no thousands of paths, but the shell's own `printf` takes them.
rule collect_table:
    input:
        results=raw_results_of,
    output:
        table="<results>/tables/{table}.csv",
    wildcard_constraints:
        table=one_of(name for name in TABLES_OF_STUDY if TABLES[name].results),
    params:
        entry=entry_of,
    message:
        "collect the tidy table {wildcards.table}"
    shell:
        "printf '%s\\n' {input.results:q} | python -m scripts collect_table --table {wildcards.table}"
        " --results /dev/stdin --output {output.table} {params.recorded}"


rule derived_table:
    input:
        tables=lambda wildcards: tidy(TABLES[wildcards.table].tables),
    output:
        table="<results>/tables/{table}.csv",
    wildcard_constraints:
        table=one_of(
            name
            for name in TABLES_OF_STUDY
            if TABLES[name].tables and name != "claims"
        ),
    params:
        settings=lambda wildcards: json.dumps(TABLES[wildcards.table].settings(CONFIG)),
        markdown="",
        entry=entry_of,
    message:
        "derive the tidy table {wildcards.table}"
    shell:
        "python -m scripts derive_table --table {wildcards.table} --settings-json {params.settings:q}"
        " --tables-dir {params.tables_dir} --output {output.table} {params.markdown} {params.recorded}"


use rule derived_table as claims_table with:
    input:
        tables=tidy(TABLES["claims"].tables),
    output:
        table="<results>/tables/{table}.csv",
        markdown="<results>/tables/{table}.md",
    wildcard_constraints:
        table="claims",
    params:
        settings=lambda wildcards: json.dumps({"families": family_labels()}),
        markdown=lambda wildcards, output: f"--markdown {output.markdown}",
    message:
        "test the paper's claims"


rule paper_table:
    input:
        tables=lambda wildcards: tidy(PAPER_TABLES[wildcards.table].inputs),
    output:
        md="<results>/tables/{table}.md",
        tex="<results>/tables/{table}.tex",
    wildcard_constraints:
        table=one_of(PAPER_TABLES),
    message:
        "write {wildcards.table} of the paper"
    shell:
        "python -m scripts paper_table --table {wildcards.table} --tables-dir {params.tables_dir}"
        " --output-md {output.md} --output-tex {output.tex} {params.recorded}"


rule plot:
    input:
        tables=lambda wildcards: tidy(FIGURES[wildcards.figure]),
    output:
        svg="<results>/figures/{figure}.svg",
        pdf="<results>/figures/{figure}.pdf",
        png="<results>/figures/{figure}.png",
    wildcard_constraints:
        figure=one_of(FIGURES_OF_STUDY),
    message:
        "draw {wildcards.figure}"
    shell:
        "python -m scripts plot --figure {wildcards.figure} --tables-dir {params.tables_dir}"
        " --output-svg {output.svg} --output-pdf {output.pdf} --output-png {output.png} {params.recorded}"


# One file that opens offline.
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
        "python -m scripts report --study-dir {params.study_dir} --output {output.report} {params.recorded}"
