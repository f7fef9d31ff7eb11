# Tidy tables of all evaluations, the paper's tables and its claims.


rule resolved_config:
    output:
        config="<results>/config.yaml",
    log:
        "<logs>/config.log",
    params:
        config=CONFIG_JSON,
    message:
        "keep the study's configuration beside its results"
    shell:
        "python -m scripts.resolved_config --config {params.config:q} --output {output.config}"
        " --code {params.code} --log {log}"


# A script's command line holds no thousands of paths, but the shell's own `printf` takes them.
rule collect_table:
    input:
        results=raw_results_of,
    output:
        table="<results>/tables/{table}.csv",
    log:
        "<logs>/tables/{table}.log",
    wildcard_constraints:
        table=one_of(name for name in TABLES_OF_STUDY if TABLES[name].results),
    params:
        entry=entry_of,
    message:
        "collect the tidy table {wildcards.table}"
    shell:
        "printf '%s\\n' {input.results:q} | python -m scripts.collect_table --table {wildcards.table}"
        " --results /dev/stdin --output {output.table}"
        " --code {params.code} --log {log}"


rule derived_table:
    input:
        tables=lambda wildcards: tidy(TABLES[wildcards.table].tables),
    output:
        table="<results>/tables/{table}.csv",
    log:
        "<logs>/tables/{table}.log",
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
        code=code_of_table,
    message:
        "derive the tidy table {wildcards.table}"
    shell:
        "python -m scripts.derive_table --table {wildcards.table} --settings-json {params.settings:q}"
        " --tables-dir {params.tables_dir} --output {output.table} {params.markdown}"
        " --code {params.code} --log {log}"


use rule derived_table as claims_table with:
    input:
        tables=tidy(TABLES["claims"].tables),
    output:
        table="<results>/tables/{table}.csv",
        markdown="<results>/tables/{table}.md",
    wildcard_constraints:
        table="claims",
    params:
        settings=json.dumps({"families": family_labels()}),
        markdown=lambda wildcards, output: f"--markdown {output.markdown}",
    message:
        "test the paper's claims"


rule paper_table:
    input:
        tables=lambda wildcards: tidy(PAPER_TABLES[wildcards.table].inputs),
    output:
        md="<results>/tables/{table}.md",
        tex="<results>/tables/{table}.tex",
    log:
        "<logs>/tables/{table}.log",
    wildcard_constraints:
        table=one_of(PAPER_TABLES),
    message:
        "write {wildcards.table} of the paper"
    shell:
        "python -m scripts.paper_table --table {wildcards.table} --tables-dir {params.tables_dir}"
        " --output-md {output.md} --output-tex {output.tex}"
        " --code {params.code} --log {log}"
