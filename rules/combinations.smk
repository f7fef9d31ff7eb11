# Beyond the paper, of the linearized modes: sums over subsets of the tasks, an α per task, analogies.


rule validate_combinations:
    input:
        edited_model(tasks_of, "validation"),
        single_task=single_task(tasks_of),
    output:
        choices="<results>/combinations/{model}/{mode}/seed{seed}/choices.json",
    log:
        "<logs>/combinations/{model}/{mode}/seed{seed}/choices.log",
    wildcard_constraints:
        mode=LINEARIZED,
    params:
        evaluation=evaluation_flags,
        settings=combination_flags,
    message:
        "choose α of other combinations ({wildcards.model}, {wildcards.mode}, seed"
        " {wildcards.seed})"
    shell:
        "python -m scripts.validate_combinations {params.evaluation} {params.settings}"
        " --output {output.choices}"
        " --code {params.code} --log {log}"


rule evaluate_combinations:
    input:
        edited_model(tasks_of, "test"),
        single_task=single_task(tasks_of),
        choices="<results>/combinations/{model}/{mode}/seed{seed}/choices.json",
    output:
        result="<results>/combinations/{model}/{mode}/seed{seed}/result.json",
    log:
        "<logs>/combinations/{model}/{mode}/seed{seed}/result.log",
    wildcard_constraints:
        mode=LINEARIZED,
    params:
        evaluation=evaluation_flags,
        tasks=tasks_of,
    message:
        "other combinations of task vectors ({wildcards.model}, {wildcards.mode}, seed"
        " {wildcards.seed})"
    shell:
        "python -m scripts.evaluate_combinations {params.evaluation} --tasks {params.tasks}"
        " --choices {input.choices} --output {output.result}"
        " --code {params.code} --log {log}"
