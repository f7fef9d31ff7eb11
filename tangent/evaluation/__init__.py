"""The paper's evaluations, one module each.

`tasks` is a data set with its head, `records` reads results of earlier steps. Accuracies,
addition, negation and disentanglement take any `tangent.evaluation.edited_model.EditedModel`; eigenfunctions and
proposition 1 take the encoder and its NTK.
"""
