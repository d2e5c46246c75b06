namespace Parallax;

/// <summary>Functions of one element. Parameters, where a function has any, are called alpha and beta.</summary>
public enum UnaryFunction
{
    Abs,
    Neg,
    /// <summary>-1, 0 or 1; NaN of NaN.</summary>
    Sign,
    Exp,
    Log,
    Sqrt,
    Reciprocal,
    Floor,
    Ceil,
    /// <summary>To the nearest integer, ties to even.</summary>
    Round,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Asinh,
    Acosh,
    Atanh,
    Erf,
    Not,
    BitwiseNot,
    IsNaN,
    /// <summary>Positive infinities where alpha is not 0, negative ones where beta is not 0.</summary>
    IsInf,
    Relu,
    /// <summary>x, or alpha x where x is negative.</summary>
    LeakyRelu,
    /// <summary>x, or alpha (e^x - 1) where x is negative.</summary>
    Elu,
    /// <summary>beta times Elu.</summary>
    Selu,
    /// <summary>x, or alpha (e^(x / alpha) - 1) where x is negative.</summary>
    Celu,
    Sigmoid,
    /// <summary>alpha x + beta, limited to [0, 1].</summary>
    HardSigmoid,
    /// <summary>x clip(x / 6 + 1/2, 0, 1)</summary>
    HardSwish,
    /// <summary>log(1 + e^x)</summary>
    Softplus,
    /// <summary>x / (1 + |x|)</summary>
    Softsign,
    Tanh,
    /// <summary>x where x is above alpha, else 0.</summary>
    ThresholdedRelu,
    /// <summary>x + beta below -alpha, x - beta above alpha, else 0.</summary>
    Shrink,
    /// <summary>x tanh(softplus(x))</summary>
    Mish,
    /// <summary>x / 2 (1 + erf(x / sqrt 2))</summary>
    Gelu,
    /// <summary>x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))</summary>
    GeluTanh,
    /// <summary>x sigmoid(alpha x): SiLU where alpha is 1.</summary>
    Swish,
}

/// <summary>Functions of two elements, with NumPy's broadcasting.</summary>
public enum BinaryFunction
{
    Add,
    Sub,
    Mul,
    /// <summary>Of integers: rounded towards zero; 0 where the divisor is 0.</summary>
    Div,
    /// <summary>The result has the type of the base.</summary>
    Pow,
    /// <summary>The remainder with the divisor's sign; of integers 0 where the divisor is 0.</summary>
    Mod,
    /// <summary>The remainder with the dividend's sign, as C's fmod; of integers 0 where the divisor is 0.</summary>
    FMod,
    /// <summary>NaN where either is NaN.</summary>
    Min,
    /// <summary>NaN where either is NaN.</summary>
    Max,
    And,
    Or,
    Xor,
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    BitwiseAnd,
    BitwiseOr,
    BitwiseXor,
    ShiftLeft,
    ShiftRight,
    /// <summary>x, or x times the slope where x is negative.</summary>
    PRelu,
}

/// <summary>Facts about elementwise functions.</summary>
public static class ElementwiseFunctions
{
    public static bool IsComparison(this BinaryFunction function) => function is BinaryFunction.Equal or BinaryFunction.Greater
        or BinaryFunction.GreaterOrEqual or BinaryFunction.Less or BinaryFunction.LessOrEqual;

    /// <summary>Whether the result is a bool whatever the inputs are.</summary>
    public static bool IsPredicate(this UnaryFunction function) => function is UnaryFunction.IsNaN or UnaryFunction.IsInf;
}
