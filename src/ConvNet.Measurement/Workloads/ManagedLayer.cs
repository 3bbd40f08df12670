namespace ConvNet.Measurement;

/// <summary>One pass of a layer on the managed backend.</summary>
internal sealed class ManagedLayer : Workload
{
    private readonly LayerShape _shape;
    private readonly Layer _layer;
    private readonly BenchPass _pass;
    private readonly NodeMemory<float> _memory;

    public ManagedLayer(IBackend backend, LayerShape shape, BenchPass pass)
    {
        (_shape, _layer, _pass) = (shape, shape.ToLayer(), pass);
        Shape input = shape.Reads;
        float[] Values(bool needed, long count) => needed ? RandomValues.Make(count) : [];
        long weights = _layer.Parameters(input)[0].Dimensions.Aggregate(1L, (product, extent) => product * extent);
        long x = (long)shape.Batch * input.Length, y = (long)shape.Batch * shape.Output.Length;
        _memory = new NodeMemory<float>
        {
            Name = _layer.Kind,
            Reads = _layer.BackwardReads,
            XShapes = [input],
            YShape = shape.Output,
            X = [Values(pass != BenchPass.BackwardData, x)],
            Y = Values(pass == BenchPass.Forward, y),
            W = [Values(pass != BenchPass.BackwardWeights, weights)],
            DY = Values(pass != BenchPass.Forward, y),
            DX = [Values(pass == BenchPass.BackwardData, x)],
            DW = [Values(pass == BenchPass.BackwardWeights, weights)],
            Threads = backend.Info.Threads,
        };
    }

    public override double Operations => _shape.Operations;

    public override int Images => _shape.Batch;

    public override string Algorithm => "direct";

    public override void Run()
    {
        if (_pass == BenchPass.Forward)
            new Frame<float>(_memory, _shape.Batch, training: true, pass: 0).RunForward(_layer);
        else
            new Frame<float>(_memory, _shape.Batch, training: true, pass: 0, backward: true).RunBackward(_layer);
    }

    protected override void Dispose(bool disposing)
    {
    }
}
