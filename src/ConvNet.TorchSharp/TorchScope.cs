using TorchSharp;
using static TorchSharp.torch;

namespace ConvNet;

/// <summary>A call of the backend amid an application's own use of torch: what torch keeps for a thread is the
/// backend's until the end, then the caller's again.</summary>
/// <remarks>Default type and device are not part of it: every tensor of the backend is made with its own.</remarks>
internal readonly ref struct TorchScope
{
    private readonly int _threads;
    private readonly IDisposable? _inferenceMode, _gradients;
    private readonly DisposeScope _tensors;

    /// <summary>Begins a call.</summary>
    /// <param name="threads">Threads that it computes on.</param>
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

    /// <summary>Ends the call: frees the tensors that it did not detach.</summary>
    public void Dispose()
    {
        _tensors.Dispose();
        _gradients?.Dispose();
        _inferenceMode?.Dispose();
        if (_threads != 0)
            set_num_threads(_threads);
    }
}
