using TorchSharp;
using static TorchSharp.torch;

namespace ConvNet;

/// <summary>Isolates a backend call from the application's own use of torch. The per-thread settings of torch are those
/// of the backend during the call and are restored afterwards.</summary>
/// <remarks>The default type and device are not included, because the backend specifies them for every
/// tensor.</remarks>
internal readonly ref struct TorchScope
{
    private readonly int _threads;
    private readonly IDisposable? _inferenceMode, _gradients;
    private readonly DisposeScope _tensors;

    /// <summary>Begins a call.</summary>
    /// <param name="threads">The number of threads for the call.</param>
    public TorchScope(int threads)
    {
        _threads = get_num_threads();
        if (_threads != threads)
            set_num_threads(threads);
        else
            _threads = 0;
        _inferenceMode = is_inference_mode_enabled() ? inference_mode(false) : null;
        _gradients = is_grad_enabled() ? null : enable_grad();
        _tensors = NewDisposeScope();
    }

    /// <summary>Ends the call and frees the tensors that were not detached.</summary>
    public void Dispose()
    {
        _tensors.Dispose();
        _gradients?.Dispose();
        _inferenceMode?.Dispose();
        if (_threads != 0)
            set_num_threads(_threads);
    }
}
