# Tidy tables of all evaluations, the paper's tables and its claims.


rule resolved_config:
    output:
        config="<results>/config.yaml",
    log:
        "<logs>/config.log",
    benchmark:
        "<benchmarks>/config.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(5),
    params:
        config=CONFIG_JSON,
        code=code("resolved_config"),
    message:
        "keep the study's configuration beside its results"
    shell:
        "python -m scripts.resolved_config --config {params.config:q} --output {output.config}"
        " --code {params.code} --log {log}"


rule collect_table:
    input:
        evaluations=raw_results,
    output:
        table="<results>/tables/{table}.csv",
    log:
        "<logs>/tables/{table}.log",
    benchmark:
        "<benchmarks>/tables/{table}.tsv"
    wildcard_constraints:
        table=one_of(COLLECTED),
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        # What a table depends on is in the input files and in here.
        selection=CONFIG.model_dump_json(
            include={
                "models",
                "tasks",
                "control",
                "seeds",
                "negation",
                "emergence",
                "rate_sensitivity",
            }
        ),
        # The rest does not matter: a function of the inputs is not compared with the last run's. (Were
        # the file of `resolved_config` an `ancient` input instead, Snakemake would not look at the set
        # of inputs while that file is to be written: a new seed would go unnoticed.)
        config=lambda wildcards, input: CONFIG_JSON,
        study_dir=subpath(output.table, ancestor=2),
        output_dir=subpath(output.table, parent=True),
        code=code("collect_tables"),
    message:
        "collect the tidy table {wildcards.table}"
    shell:
        "python -m scripts.collect_tables --config {params.config:q} --selection {params.selection:q}"
        " --study-dir {params.study_dir}"
        " --tables {wildcards.table} --output-dir {params.output_dir} --code {params.code} --log {log}"


rule claims_table:
    input:
        tables=expand("<results>/tables/{table}.csv", table=TABLES_READ["claims"]),
    output:
        claims="<results>/tables/claims.csv",
        markdown="<results>/tables/claims.md",
    log:
        "<logs>/tables/claims.log",
    benchmark:
        "<benchmarks>/tables/claims.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        tables_dir=subpath(output.claims, parent=True),
        families=family_labels(),
        code=code("claims"),
    message:
        "test the paper's claims"
    shell:
        "python -m scripts.claims {params.families} --tables-dir {params.tables_dir}"
        " --output {output.claims}"
        " --markdown {output.markdown}"
        " --code {params.code} --log {log}"


rule comparison_table:
    input:
        tables=expand("<results>/tables/{table}.csv", table=TABLES_READ["comparison"]),
    output:
        comparison="<results>/tables/comparison.csv",
    log:
        "<logs>/tables/comparison.log",
    benchmark:
        "<benchmarks>/tables/comparison.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        tables_dir=subpath(output.comparison, parent=True),
        code=code("comparison"),
    message:
        "compare with other people's numbers"
    shell:
        "python -m scripts.comparison --tables-dir {params.tables_dir} --output {output.comparison}"
        " --code {params.code} --log {log}"


rule paper_table:
    input:
        tables=lambda wildcards: expand(
            "<results>/tables/{table}.csv", table=PAPER_TABLES[wildcards.table].inputs
        ),
    output:
        md="<results>/tables/{table}.md",
        tex="<results>/tables/{table}.tex",
    log:
        "<logs>/tables/{table}.log",
    benchmark:
        "<benchmarks>/tables/{table}.tsv"
    wildcard_constraints:
        table=one_of(PAPER_TABLES),
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        tables_dir=subpath(output.md, parent=True),
        code=code("paper_table"),
    message:
        "write {wildcards.table} of the paper"
    shell:
        "python -m scripts.paper_table --table {wildcards.table} --tables-dir {params.tables_dir}"
        " --output-md {output.md} --output-tex {output.tex} --code {params.code} --log {log}"
