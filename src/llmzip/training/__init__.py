"""Models of one's own: what a model learns beside its weights from texts, on torch.

Training is in floating point and gives other numbers each time; what it makes is prepared for
the exact engine as any model is, the same everywhere.
"""
