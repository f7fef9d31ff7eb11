# What is measured of edited models, and what that looks up: features f(x; θ0) of each data set, and
# J(x)·τ for the linearized modes. A plain mode's jobs run the model; those of a linearized one look
# features up, on one thread and without a GPU.


rule features:
    input:
        config=pretrained_config,
        encoder=initial_encoder,
        data=datasets(["{dataset}"], SPLITS),
    output:
        **split_files("<results>/features/{model}/initial/{dataset}/seed{seed}", SPLITS),
    threads: CONFIG.compute.threads
    message:
        "features of {wildcards.dataset} at the initial weights"
    shell:
        "python -m scripts initial_features {params.encoder} --dataset {wildcards.dataset}"
        " {params.compute} --output-dir {params.output_dir} {params.recorded}"


# As `finetuned`, the script keeps its resumable state beside the outputs.
rule products:
    input:
        config=pretrained_config,
        encoder=initial_encoder,
        task_vectors=task_vectors(vectors_of_products),
        data=datasets(["{dataset}"], SPLITS),
    output:
        **split_files("<results>/products/{model}/{mode}/{dataset}/seed{seed}", SPLITS),
    wildcard_constraints:
        mode=LINEARIZED,
    threads: CONFIG.compute.threads
    params:
        settings=product_flags,
    message:
        "Jacobian-vector products on {wildcards.dataset}"
    shell:
        "python -m scripts jacobian_products {params.encoder} {params.task_vectors}"
        " --dataset {wildcards.dataset}"
        " {params.settings} --output-dir {params.output_dir} {params.recorded}"


# A file of its own for each further method: with one more, what the others gave stays.
use rule products as merged_products with:
    output:
        **split_files(
            "<results>/merged_products/{model}/{mode}/{merging}/{dataset}/seed{seed}",
            SPLITS,
        ),
    message:
        "Jacobian-vector products of {wildcards.merging} on {wildcards.dataset}"


# Accuracy at α = 0 and of each task's own model, α = 1 (figures 2 and 5).
rule zero_shot:
    input:
        features=features(tasks_and_control, SPLITS),
        heads=heads(tasks_and_control),
        data=datasets(tasks_and_control, SPLITS),
    output:
        accuracy="<results>/zero_shot/{model}/seed{seed}/zero_shot.json",
    params:
        features=stored_features_flags,
    message:
        "zero-shot accuracy of {wildcards.model}"
    shell:
        "python -m scripts zero_shot {params.features} --output {output.accuracy} {params.recorded}"


rule single_task:
    input:
        edited_model(["{task}"], SPLITS),
    output:
        accuracy="<results>/single_task/{model}/{mode}/{task}/seed{seed}/accuracy.json",
    threads: evaluation_threads
    message:
        "single-task accuracy on {wildcards.task}"
    shell:
        "python -m scripts single_task {params.evaluation} {params.compute} --task {wildcards.task}"
        " --output {output.accuracy} {params.recorded}"


# The scaling coefficient α, chosen on validation images only: no test split is an input here.
rule validate_addition:
    input:
        edited_model(tasks_of, "validation", vectors=["{merging}"]),
        single_task=single_task(tasks_of),
    output:
        sweep="<results>/alpha/{model}/{mode}/{merging}/seed{seed}/sweep.csv",
        alpha="<results>/alpha/{model}/{mode}/{merging}/seed{seed}/alpha.json",
    threads: evaluation_threads
    params:
        settings=lambda wildcards: flags(
            tasks=tasks_of(wildcards), alphas=CONFIG.alphas
        ),
    message:
        "choose α of task addition by {wildcards.merging}"
    shell:
        "python -m scripts validate_addition {params.evaluation} {params.compute} --merging {wildcards.merging}"
        " {params.settings} --output-dir {params.output_dir} {params.recorded}"


rule validate_negation:
    input:
        edited_model(["{task}", CONFIG.control], "validation", vectors=["{task}"]),
    output:
        sweep="<results>/alpha/{model}/{mode}/{task}/seed{seed}/sweep.csv",
        alpha="<results>/alpha/{model}/{mode}/{task}/seed{seed}/alpha.json",
    threads: evaluation_threads
    params:
        settings=flags(
            control=CONFIG.control,
            alphas=CONFIG.alphas,
            **CONFIG.negation.model_dump(),
        ),
    message:
        "choose α of negating {wildcards.task}"
    shell:
        "python -m scripts validate_negation {params.evaluation} {params.compute} --task {wildcards.task}"
        " {params.settings} --output-dir {params.output_dir} {params.recorded}"


# Task addition and negation (tables 1 and 2), tested once at the α that validation chose.
rule addition:
    input:
        edited_model(tasks_of, "test", vectors=["{merging}"]),
        single_task=single_task(tasks_of),
        alpha="<results>/alpha/{model}/{mode}/{merging}/seed{seed}/alpha.json",
    output:
        result="<results>/addition/{model}/{mode}/{merging}/seed{seed}/result.json",
    threads: evaluation_threads
    message:
        "task addition by {wildcards.merging}"
    shell:
        "python -m scripts addition {params.evaluation} {params.compute} --merging {wildcards.merging}"
        " --tasks {params.tasks} --alpha {input.alpha} --output {output.result} {params.recorded}"


rule negation:
    input:
        edited_model(["{task}", CONFIG.control], "test", vectors=["{task}"]),
        alpha="<results>/alpha/{model}/{mode}/{task}/seed{seed}/alpha.json",
    output:
        result="<results>/negation/{model}/{mode}/{task}/seed{seed}/result.json",
    threads: evaluation_threads
    params:
        control=CONFIG.control,
    message:
        "task negation of {wildcards.task}"
    shell:
        "python -m scripts negation {params.evaluation} {params.compute} --task {wildcards.task} --control"
        " {params.control} --alpha {input.alpha} --output {output.result} {params.recorded}"


# Weight-disentanglement error ξ(α1, α2) of a pair of tasks: the heat maps of figure 3.
rule disentanglement:
    input:
        edited_model(["{task_1}", "{task_2}"], "test"),
    output:
        error="<results>/disentanglement/{model}/{mode}/{task_1}/{task_2}/seed{seed}/error.csv",
        settings="<results>/disentanglement/{model}/{mode}/{task_1}/{task_2}/seed{seed}/error.json",
    threads: evaluation_threads
    params:
        settings=flags(**CONFIG.disentanglement.model_dump(exclude={"models", "pairs"})),
    message:
        "heat map of {wildcards.task_1} and {wildcards.task_2}"
    shell:
        "python -m scripts disentanglement {params.evaluation} {params.compute} --task-1 {wildcards.task_1} --task-2"
        " {wildcards.task_2} {params.settings} --output-dir {params.output_dir} {params.recorded}"


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
        settings=combination_flags,
    message:
        "choose α of other combinations"
    shell:
        "python -m scripts validate_combinations {params.evaluation} {params.settings}"
        " --output {output.choices} {params.recorded}"


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
    message:
        "other combinations of task vectors"
    shell:
        "python -m scripts evaluate_combinations {params.evaluation} --tasks {params.tasks}"
        " --choices {input.choices} --output {output.result} {params.recorded}"
