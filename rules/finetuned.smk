# θ*: fine-tuning one task. The script keeps its resumable state in `state.pt` beside the outputs,
# undeclared, because Snakemake deletes the outputs of a failed job.


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
        "fine-tune {wildcards.model} on {wildcards.task} ({wildcards.training}, seed"
        " {wildcards.seed})"
    shell:
        "{params.launcher}python -m scripts.finetune --pretrained-dir {params.pretrained_dir}"
        " --initial-encoder {input.initial} --head {input.head} --data-dir {params.data_dir}"
        " --training {wildcards.training} --task {wildcards.task} --model {wildcards.model}"
        " --seed {wildcards.seed} {params.settings} --output-dir {params.output_dir}"
        " --code {params.code} --log {log}"
