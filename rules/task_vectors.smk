# τ = θ* − θ0.


rule task_vector:
    input:
        initial=initial_encoder,
        finetuned=finetuned_encoder,
    output:
        tau="<results>/task_vectors/{model}/{training}/{task}/seed{seed}/task_vector.safetensors",
    threads: CONFIG.compute.threads
    message:
        "task vector of {wildcards.task} ({wildcards.model}, {wildcards.training}, seed"
        " {wildcards.seed})"
    shell:
        "python -m scripts.extract_task_vector --initial-encoder {input.initial}"
        " --finetuned-encoder {input.finetuned} --output {output.tau}"
