"""`snakemake verify`: where does every result of a study come from, and is it still so?"""
