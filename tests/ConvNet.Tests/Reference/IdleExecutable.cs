namespace ConvNet.Tests.Reference;

/// <summary>An executable that computes nothing.</summary>
internal class IdleExecutable(Graph graph, TrainingSpec spec) : Executable(graph, spec.BatchSize, spec, () => false)
{
    protected override void ForwardCore(BatchValues input, int n)
    {
    }

    protected override double LossCore(int index, Targets targets) => 0;

    protected override void BackwardCore(BatchValues outputGradient, bool accumulate)
    {
    }

    protected override void StepCore(float learningRate)
    {
    }

    protected override void KeepBuffersCore()
    {
    }

    protected override void ExchangeBuffersCore()
    {
    }

    protected override void InferCore(BatchValues input, int n, BatchBuffers output)
    {
    }

    protected override void ReadOutputCore(int index, Span<float> values) => values.Clear();

    protected override void ReadCore(Parameter parameter, Span<float> values)
    {
    }

    protected override void WriteCore(Parameter parameter, ReadOnlySpan<float> values)
    {
    }

    protected override void WriteGradientCore(Parameter parameter, ReadOnlySpan<float> values)
    {
    }

    protected override void ChangeFrozenCore(FrozenParameters frozen,
        IReadOnlyList<IReadOnlyList<Parameter>> buckets)
    {
    }

    protected override Span<float> BucketCore(int bucket, bool accumulate) => [];

    protected override double GradientSquaresCore(Parameter parameter) => 0;

    protected override void ScaleGradientsCore(float factor)
    {
    }

    protected override void ClampGradientsCore(float most)
    {
    }

    protected override void ReadStateCore(Parameter parameter, int index, Span<float> values)
    {
    }

    protected override void WriteStateCore(Parameter parameter, int index, ReadOnlySpan<float> values, long steps)
    {
    }

    protected override void ReadGradientCore(Parameter parameter, Span<float> values)
    {
    }

    protected override void ReadInputGradientCore(int index, Span<float> values)
    {
    }
}
