# Learning rates that validation chooses from a grid: no test split and no sum of task vectors is an
# input here. Trainings have their rate in their paths, so that another grid makes only what is new.


use rule finetuned as tuning_training with:
    input:
        config=pretrained_config,
        initial=initial_encoder,
        head=heads(["{task}"]),
        train=training_images,
    output:
        **training_files(
            "<results>/learning_rates/{model}/{training}/{rate}/{task}/seed{seed}"
        ),
    wildcard_constraints:
        seed=CONFIG.tuning_seed,
    message:
        "fine-tune {wildcards.model} on {wildcards.task} at learning rate {wildcards.rate}"
        " ({wildcards.training}, seed {wildcards.seed})"


rule tuning_accuracy:
    input:
        config=pretrained_config,
        encoder=initial_encoder,
        finetuned="<results>/learning_rates/{model}/{training}/{rate}/{task}/seed{seed}/encoder.safetensors",
        heads=heads(["{task}"]),
        data=datasets(["{task}"], "validation"),
    output:
        accuracy="<results>/learning_rates/{model}/{training}/{rate}/{task}/seed{seed}/accuracy.json",
    log:
        "<logs>/learning_rates/{model}/{training}/{rate}/{task}/seed{seed}/accuracy.log",
    wildcard_constraints:
        seed=CONFIG.tuning_seed,
    threads: CONFIG.compute.threads
    params:
        encoder=encoder_flags,
        compute=flags(**EVALUATION),
    message:
        "validation accuracy on {wildcards.task} at learning rate {wildcards.rate}"
        " ({wildcards.model}, {wildcards.training}, seed {wildcards.seed})"
    shell:
        "python -m scripts.tuning_accuracy {params.encoder} --finetuned-encoder {input.finetuned}"
        " --training {wildcards.training} --task {wildcards.task} --learning-rate {wildcards.rate}"
        " {params.compute} --output {output.accuracy}"
        " --code {params.code} --log {log}"


checkpoint chosen_learning_rate:
    input:
        accuracies=tuning_accuracies,
    output:
        chosen="<results>/learning_rates/{model}/{training}/seed{seed}/chosen.json",
    log:
        "<logs>/learning_rates/{model}/{training}/seed{seed}/chosen.log",
    wildcard_constraints:
        seed=CONFIG.tuning_seed,
    message:
        "choose the learning rate of {wildcards.model} ({wildcards.training}, seed"
        " {wildcards.seed})"
    shell:
        "python -m scripts.choose_learning_rate --model {wildcards.model}"
        " --training {wildcards.training} --seed {wildcards.seed} --accuracies {input.accuracies}"
        " --output {output.chosen}"
        " --code {params.code} --log {log}"


# On the seed of the search the winner is not trained again.
ruleorder: adopted_training > finetuned


rule adopted_training:
    input:
        chosen_rate,
        tuning_trainings,
    output:
        **training_files("<results>/finetuned/{model}/{training}/{task}/seed{seed}"),
    wildcard_constraints:
        # A model's name counts with the training that comes after it in the path.
        model="|".join(f"{re.escape(m)}(?=/{t}/)" for m, t in CONFIG.searches) or "(?!)",
        seed=CONFIG.tuning_seed,
    params:
        settings=adoption_flags,
    message:
        "take the training of {wildcards.model} on {wildcards.task} at the chosen learning rate"
        " ({wildcards.training}, seed {wildcards.seed})"
    shell:
        "python -m scripts.adopt_training --model {wildcards.model} --training {wildcards.training}"
        " --seed {wildcards.seed} {params.settings} --output-dir {params.output_dir}"
        " --code {params.code} --log {log}"
