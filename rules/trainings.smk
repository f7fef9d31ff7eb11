# θ*: fine-tuning one task, at a learning rate that validation chooses from a grid if it is not given;
# or published weights. And τ = θ* − θ0, with what is merged of those of all tasks.


# The script keeps its resumable state in `state.pt` beside the outputs, undeclared, because Snakemake
# deletes the outputs of a failed job.
rule finetuned:
    input:
        config=pretrained_config,
        initial=initial_encoder,
        head=heads(["{task}"]),
        train=training_images,
        rate=chosen_rate,
    output:
        **training_files("<results>/finetuned/{model}/{training}/{task}/seed{seed}"),
    threads: lambda wildcards: CONFIG.compute.threads * processes_of(wildcards)
    params:
        launcher=finetuning_launcher,
        data_dir=subpath(input.train, parent=True),
        settings=finetuning_flags,
    message:
        "fine-tune {wildcards.model} on {wildcards.task}"
    shell:
        "{params.launcher}python -m scripts finetune --pretrained-dir {params.pretrained_dir}"
        " --initial-encoder {input.initial} --head {input.head} --data-dir {params.data_dir}"
        " --training {wildcards.training} --task {wildcards.task} --model {wildcards.model}"
        " --seed {wildcards.seed} {params.settings} --output-dir {params.output_dir} {params.recorded}"


# To choose a learning rate no test split and no sum of task vectors is read. Trainings have their rate
# in their paths, so that another grid makes only what is new.
use rule finetuned as tuning_training with:
    output:
        **training_files(TUNED),
    wildcard_constraints:
        seed=CONFIG.tuning_seed,
    message:
        "fine-tune {wildcards.model} on {wildcards.task} at learning rate {wildcards.rate}"


rule tuning_accuracy:
    input:
        config=pretrained_config,
        encoder=initial_encoder,
        finetuned=f"{TUNED}/encoder.safetensors",
        heads=heads(["{task}"]),
        data=datasets(["{task}"], "validation"),
    output:
        accuracy=f"{TUNED}/accuracy.json",
    log:
        "<logs>/learning_rates/{model}/{training}/{rate}/{task}/seed{seed}/accuracy.log",
    wildcard_constraints:
        seed=CONFIG.tuning_seed,
    threads: CONFIG.compute.threads
    message:
        "validation accuracy on {wildcards.task} at learning rate {wildcards.rate}"
    shell:
        "python -m scripts tuning_accuracy {params.encoder} --finetuned-encoder {input.finetuned}"
        " --training {wildcards.training} --task {wildcards.task} --learning-rate {wildcards.rate}"
        " {params.compute} --output {output.accuracy} {params.recorded}"


checkpoint chosen_learning_rate:
    input:
        accuracies=collect(
            f"{TUNED}/accuracy.json",
            rate=rates,
            task=tuned_tasks,
            allow_missing=True,
        ),
    output:
        chosen="<results>/learning_rates/{model}/{training}/seed{seed}/chosen.json",
    log:
        "<logs>/learning_rates/{model}/{training}/seed{seed}/chosen.log",
    wildcard_constraints:
        seed=CONFIG.tuning_seed,
    message:
        "choose the learning rate of {wildcards.model}"
    shell:
        "python -m scripts choose_learning_rate --model {wildcards.model}"
        " --training {wildcards.training} --seed {wildcards.seed} --accuracies {input.accuracies}"
        " --output {output.chosen} {params.recorded}"


# On the seed of the search the winner is not trained again.
ruleorder: adopted_training > finetuned


rule adopted_training:
    input:
        chosen_rate,
        collect(
            f"{TUNED}/{{file}}",
            file=[*TRAINED.values()],
            rate=rates,
            allow_missing=True,
        ),
    output:
        **training_files("<results>/finetuned/{model}/{training}/{task}/seed{seed}"),
    wildcard_constraints:
        # A model's name counts with the training and the task that come after it in the path.
        model="|".join(
            f"{re.escape(m)}(?=/{t}/(?:{one_of(CONFIG.tuned_tasks(m, t))})/)"
            for m, t in CONFIG.searches
        )
        or "(?!)",
        seed=CONFIG.tuning_seed,
    params:
        settings=adoption_flags,
    message:
        "take the training of {wildcards.model} on {wildcards.task} at the chosen learning rate"
    shell:
        "python -m scripts adopt_training --model {wildcards.model} --training {wildcards.training}"
        " --seed {wildcards.seed} {params.settings} --output-dir {params.output_dir} {params.recorded}"


# Published fine-tuned weights, checked and in our names (docs/published.md).
rule published:
    input:
        published_files,
        config=pretrained_config,
        initial="<resources>/pretrained/{model}/encoder.safetensors",
    output:
        encoder="<results>/published/{model}/{training}/{task}/encoder.safetensors",
    # Downloads: nodes of a cluster often have no network.
    localrule: True
    threads: CONFIG.compute.threads
    params:
        source=lambda wildcards: published(wildcards).model_dump_json(),
    message:
        "take published weights of {wildcards.model} on {wildcards.task}"
    shell:
        "python -m scripts import_finetuned --source {params.source:q} --pretrained-dir"
        " {params.pretrained_dir} --initial-encoder {input.initial} --training {wildcards.training}"
        " --task {wildcards.task} --model {wildcards.model} --output {output.encoder} {params.recorded}"


rule task_vector:
    input:
        initial=initial_encoder,
        finetuned=finetuned_encoder,
    output:
        tau="<results>/task_vectors/{model}/{training}/{task}/seed{seed}/task_vector.safetensors",
    group:
        "vectors"
    threads: CONFIG.compute.threads
    message:
        "task vector of {wildcards.task}"
    shell:
        "python -m scripts extract_task_vector --initial-encoder {input.initial}"
        " --finetuned-encoder {input.finetuned} --output {output.tau} {params.recorded}"


rule merged_vector:
    input:
        task_vectors=task_vectors(tasks_of),
    output:
        tau="<results>/task_vectors/{model}/{training}/{merging}/seed{seed}/task_vector.safetensors",
    group:
        "vectors"
    threads: CONFIG.compute.threads
    message:
        "merge the task vectors by {wildcards.merging}"
    shell:
        "python -m scripts merge_task_vectors --method {wildcards.merging} {params.task_vectors}"
        " --output {output.tau} {params.recorded}"
