# Localization of the neural tangent kernel's eigenfunctions (figure 6) and proposition 1, at θ0.


rule eigenfunctions:
    input:
        config=pretrained_config,
        encoder=initial_encoder,
        heads=heads(["{task}"]),
        train=training_images,
        test=datasets(tasks_and_control, "test"),
    output:
        energies="<results>/eigenfunctions/{model}/{task}/seed{seed}/energies.csv",
        spectrum="<results>/eigenfunctions/{model}/{task}/seed{seed}/spectrum.csv",
        summary="<results>/eigenfunctions/{model}/{task}/seed{seed}/eigenfunctions.json",
    threads: CONFIG.compute.threads
    params:
        settings=eigenfunction_flags,
    message:
        "eigenfunctions of {wildcards.task}"
    shell:
        "python -m scripts eigenfunctions {params.encoder} --task {wildcards.task}"
        " {params.settings} --output-dir {params.output_dir} {params.recorded}"


rule proposition1:
    input:
        config=pretrained_config,
        encoder=initial_encoder,
        heads=heads(CONFIG.eigenfunctions.tasks),
        data=datasets(CONFIG.eigenfunctions.tasks, "train"),
    output:
        interference="<results>/proposition1/{model}/seed{seed}/interference.csv",
        functions="<results>/proposition1/{model}/seed{seed}/functions.csv",
        summary="<results>/proposition1/{model}/seed{seed}/proposition1.json",
    threads: CONFIG.compute.threads
    params:
        settings=flags(
            **CONFIG.eigenfunctions.model_dump(exclude={"models", "logits"}), **KERNELS
        ),
    message:
        "check proposition 1"
    shell:
        "python -m scripts proposition1 {params.encoder} {params.settings}"
        " --output-dir {params.output_dir} {params.recorded}"
