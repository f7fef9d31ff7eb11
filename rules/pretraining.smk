# Models that this workflow pre-trains from nothing: a rule per recipe, with the steps of its models.

for recipe_name, recipe in CONFIG.pretraining.items():

    rule:
        name:
            f"pretraining_{recipe_name}"
        output:
            models=expand(
                "<resources>/pretraining/{recipe}/step{step}/{file}",
                recipe=recipe_name,
                step=CONFIG.pretraining_steps(recipe_name),
                file=recipe.files,
            ),
            metrics=expand(
                "<resources>/pretraining/{recipe}/step{step}/metrics.json",
                recipe=recipe_name,
                step=CONFIG.pretraining_steps(recipe_name),
            ),
            history=f"<resources>/pretraining/{recipe_name}/log.csv",
        log:
            f"<resources>/logs/pretraining/{recipe_name}.log",
        threads: recipe.threads
        params:
            # Not the steps, which change no bit: a study that wants fewer runs nothing again.
            recipe=recipe.model_dump_json(),
            code=code_of_pretraining(recipe),
        message:
            f"pre-train {recipe_name} from nothing"
        shell:
            # Threads that wait for each other sleep instead of spinning: cores may be shared.
            "GOMP_SPINCOUNT=2000 python -m scripts.pretrain --recipe {params.recipe:q}"
            " --metrics {output.metrics} --history {output.history}"
            " --code {params.code} --log {log}"


rule pretrain_demo:
    input:
        expand("<resources>/pretraining/{recipe}/log.csv", recipe=CONFIG.pretraining),
