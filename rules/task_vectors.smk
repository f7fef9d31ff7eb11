# τ = θ* − θ0, and what is merged of those of all tasks.


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
        " --code {params.code} --log {log}"


rule merged_vector:
    input:
        task_vectors=task_vectors(tasks_of),
    output:
        tau="<results>/task_vectors/{model}/{training}/{merging}/seed{seed}/task_vector.safetensors",
    threads: CONFIG.compute.threads
    params:
        task_vectors=vector_flags,
        code=lambda wildcards: code(
            "merge_task_vectors", f"tangent.arithmetic.merging.{wildcards.merging}"
        ),
    message:
        "merge the task vectors by {wildcards.merging} ({wildcards.model}, {wildcards.training},"
        " seed {wildcards.seed})"
    shell:
        "python -m scripts.merge_task_vectors --method {wildcards.merging} {params.task_vectors}"
        " --output {output.tau}"
        " --code {params.code} --log {log}"
