using System.Buffers;
using System.Numerics.Tensors;

namespace ConvNet;

/// <summary>Lookahead around another optimiser: after every k steps, the weights go back to a fraction of the way they
/// have come: φ ← φ + a(w − φ); w ← φ. φ are the slow weights, which start as w.</summary>
/// <remarks>
/// The state of a value is that of the inner optimiser and <c>displacement</c>, w − φ, which is zero at first like all
/// state; the slow weights are φ = w − displacement. Groups of the inner optimiser become those of this one. A backend
/// runs the inner rule in C#. Source: Zhang et al., "Lookahead optimizer: k steps forward, 1 step back", NeurIPS 2019.
/// </remarks>
public sealed record Lookahead : Optimizer
{
    private const string StateName = "displacement";

    private static readonly AttributeDeclaration<int> s_k = AttributeDeclaration.Integer<Lookahead>("k",
        lookahead => lookahead.K, 5, summary: "Steps after which the weights go back");

    private static readonly AttributeDeclaration<float> s_alpha = AttributeDeclaration.Number<Lookahead>("alpha",
        lookahead => lookahead.Alpha, new NumberInterval(0, 1, HasLeast: false, HasMost: true), 0.5f,
        "Fraction of the way that is kept");

    /// <summary>Creates the optimiser.</summary>
    /// <param name="inner">The optimiser that makes the steps.</param>
    /// <param name="k">The number of steps after which the weights go back, from 1.</param>
    /// <param name="alpha">a, in (0, 1]: the fraction of the way that is kept.</param>
    /// <exception cref="ArgumentNullException"><paramref name="inner"/> is null.</exception>
    /// <exception cref="ArgumentException">The inner optimiser is itself a <see cref="Lookahead"/>.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public Lookahead(Optimizer inner, int k = 5, float alpha = 0.5f)
        : base((inner ?? throw new ArgumentNullException(nameof(inner))).WeightDecay)
    {
        if (inner is Lookahead)
            throw new ArgumentException("The inner optimiser of lookahead is lookahead itself. Use one of them.",
                nameof(inner));
        const string Kind = "lookahead";
        (K, Alpha) = (s_k.Check(Kind, k), s_alpha.Check(Kind, alpha));
        (Groups, Inner) = (inner.Groups, inner with { Groups = [] });
    }

    /// <summary>The attributes in files and commands, besides those of the inner optimiser.</summary>
    public static IReadOnlyList<AttributeDeclaration> Attributes { get; } = [s_k, s_alpha];

    /// <summary>The optimiser that makes the steps, without groups.</summary>
    public Optimizer Inner { get; }

    /// <summary>The number of steps after which the weights go back.</summary>
    public int K { get; }

    /// <summary>a, the fraction of the way that is kept.</summary>
    public float Alpha { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<string> StateNames => [.. Inner.StateNames, StateName];

    /// <inheritdoc/>
    public override void CheckFor(Graph graph)
    {
        base.CheckFor(graph);
        Inner.CheckFor(graph);
    }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(Lookahead), (nameof(Inner), Inner), (nameof(K), K),
        (nameof(Alpha), Alpha), (nameof(Groups), Groups));

    /// <summary>Creates the optimiser from attribute values.</summary>
    internal static Lookahead Of(Optimizer inner, AttributeValues values)
        => new(inner, values.Get(s_k), values.Get(s_alpha));

    /// <inheritdoc/>
    internal override bool IsElementwise => Inner.IsElementwise;

    /// <inheritdoc/>
    internal override bool HasFallback => Inner.HasFallback;

    /// <inheritdoc/>
    internal override bool MayThrow => Inner.MayThrow;

    /// <inheritdoc/>
    internal override void Move<T>(in UpdateContext context, Parameter parameter, ReadOnlySpan<T> g, Span<T> w,
        StateSpans<T> state)
    {
        T[] rented = ArrayPool<T>.Shared.Rent(w.Length);
        Span<T> change = rented.AsSpan(0, w.Length), displacement = state[state.Count - 1];
        w.CopyTo(change);
        Inner.Move(context, parameter, g, w, state.First(state.Count - 1));
        TensorPrimitives.Subtract(w, change, change);
        TensorPrimitives.Add(displacement, change, displacement);
        ArrayPool<T>.Shared.Return(rented);
        if (context.Step % K != 0)
            return;
        TensorPrimitives.MultiplyAdd(displacement, T.CreateChecked(Alpha - 1.0), w, w);
        displacement.Clear();
    }
}
