"""Which operators multiply and accumulate nothing, and why some that do cannot be counted.

Rules: lists of names only, by domain; an operator in neither list is counted by `workloads/counting/macs.py` or listed
as unknown. Elementwise arithmetic, normalisation, activation, pooling and interpolation count nothing, as in published
counts.
"""

KNOWN_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")  # what onnxruntime's own builds hold
STANDARD = frozenset({
    "Abs", "Acos", "Acosh", "Add", "AffineGrid", "And", "ArgMax", "ArgMin", "Asin", "Asinh", "Atan", "Atanh",
    "AveragePool", "BatchNormalization", "Bernoulli", "BitCast", "BitShift", "BitwiseAnd", "BitwiseNot",
    "BitwiseOr", "BitwiseXor", "BlackmanWindow", "Cast", "CastLike", "Ceil", "Celu", "CenterCropPad", "Clip",
    "Col2Im", "Compress", "Concat", "ConcatFromSequence", "Constant", "ConstantOfShape", "Cos", "Cosh", "CumProd",
    "CumSum", "DepthToSpace", "DequantizeLinear", "Div", "Dropout", "DynamicQuantizeLinear", "Elu", "Equal", "Erf",
    "Exp", "Expand", "EyeLike", "Flatten", "Floor", "Gather", "GatherElements", "GatherND", "Gelu",
    "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "Greater", "GreaterOrEqual", "GridSample",
    "GroupNormalization", "HammingWindow", "HannWindow", "HardSigmoid", "HardSwish", "Hardmax", "Identity",
    "ImageDecoder", "InstanceNormalization", "IsInf", "IsNaN", "LRN", "LayerNormalization", "LeakyRelu", "Less",
    "LessOrEqual", "Log", "LogSoftmax", "LpNormalization", "LpPool", "Max", "MaxPool", "MaxRoiPool", "MaxUnpool",
    "Mean", "MeanVarianceNormalization", "MelWeightMatrix", "Min", "Mish", "Mod", "Mul", "Multinomial", "Neg",
    "NegativeLogLikelihoodLoss", "NonMaxSuppression", "NonZero", "Not", "OneHot", "Optional", "OptionalGetElement",
    "OptionalHasElement", "Or", "PRelu", "Pad", "Pow", "QuantizeLinear", "RMSNormalization", "RandomNormal",
    "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Range", "Reciprocal", "ReduceL1", "ReduceL2",
    "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
    "ReduceSumSquare", "RegexFullMatch", "Relu", "Reshape", "Resize", "ReverseSequence", "RoiAlign",
    "RotaryEmbedding", "Round", "Scatter", "ScatterElements", "ScatterND", "Selu", "SequenceAt",
    "SequenceConstruct", "SequenceEmpty", "SequenceErase", "SequenceInsert", "SequenceLength", "Shape", "Shrink",
    "Sigmoid", "Sign", "SimplifiedLayerNormalization", "Sin", "Sinh", "Size", "Slice", "Softmax",
    "SoftmaxCrossEntropyLoss", "Softplus", "Softsign", "SpaceToDepth", "Split", "SplitToSequence", "Sqrt",
    "Squeeze", "StringConcat", "StringNormalizer", "StringSplit", "Sub", "Sum", "SwiGLU", "Swish", "Tan", "Tanh",
    "TensorScatter", "TfIdfVectorizer", "ThresholdedRelu", "Tile", "TopK", "Transpose", "Trilu", "Unique",
    "Unsqueeze", "Upsample", "Where", "Xor",
})  # fmt: skip
MICROSOFT = frozenset({
    "BiasAdd", "BiasDropout", "BiasGelu", "BiasSoftmax", "BiasSplitGelu", "BitmaskBiasDropout", "BitmaskDropout",
    "CropAndResize", "DequantizeLinear", "DequantizeWithOrder", "EmbedLayerNormalization", "ExpandDims", "FastGelu",
    "GatedAdd", "GatedRMSNorm", "GatherBlockQuantized", "GatherND", "Gelu", "GemmaRotaryEmbedding", "GridSample",
    "GroupNorm", "IsAllFinite", "MRotaryEmbedding", "MaxpoolWithMask", "MulInteger", "MurmurHash3",
    "NGramRepeatBlock", "NhwcMaxPool", "Pad", "QEmbedLayerNormalization", "QLinearAdd", "QLinearAveragePool",
    "QLinearConcat", "QLinearGlobalAveragePool", "QLinearLeakyRelu", "QLinearMul", "QLinearReduceMean",
    "QLinearSigmoid", "QLinearSoftmax", "QLinearWhere", "QOrderedGelu", "QOrderedLayerNormalization",
    "QuantizeLinear", "QuantizeWithOrder", "QuickGelu", "Range", "ReduceSumInteger", "RelativePositionBias",
    "RemovePadding", "RestorePadding", "RotaryEmbedding", "SampleOp", "ScaledSiLU", "SkipGroupNorm",
    "SkipLayerNormalization", "SkipSimplifiedLayerNormalization", "Tokenizer", "TorchEmbedding", "Trilu",
    "UnfoldTensor", "Unique",
})  # fmt: skip
LEARNING = frozenset({
    "ArrayFeatureExtractor", "Binarizer", "CastMap", "CategoryMapper", "DictVectorizer", "FeatureVectorizer",
    "Imputer", "LabelEncoder", "Normalizer", "OneHotEncoder", "Scaler", "ZipMap",
})  # fmt: skip
NO_PRODUCTS = {"": STANDARD, "com.microsoft": MICROSOFT, "ai.onnx.ml": LEARNING}

CONTROL = "control flow: what it computes depends on the data"
TRANSFORM = "a Fourier transform: its algorithm decides what it computes"
EXPERTS = "experts: which of them compute depends on the data"
REASONS = dict.fromkeys(("If", "Loop", "Scan", "SequenceMap", "BeamSearch", "GreedySearch", "Sampling",
                         "WhisperBeamSearch"), CONTROL) | dict.fromkeys(("DFT", "STFT", "Rfft", "Irfft"), TRANSFORM) | {
    "MoE": EXPERTS, "QMoE": EXPERTS,
    "PackedAttention": "packed sequences: their lengths are data",
    "PackedMultiHeadAttention": "packed sequences: their lengths are data",
    "PagedAttention": "paged keys and values: their lengths are data",
    "SparseAttention": "its sparsity is data",
    "MatMulFpQ4": "its matrix's shape is data",
    "FlexAttention": "its score function is a graph of its own",
}  # fmt: skip
