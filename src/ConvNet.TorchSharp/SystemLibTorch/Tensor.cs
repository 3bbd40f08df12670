using System.Runtime.CompilerServices;
using static TorchSharp.NativeMethods;

namespace TorchSharp;

internal static partial class torch
{
    /// <summary>A reference to a tensor of libtorch; the tensor lives as long as one of its references.</summary>
    internal unsafe class Tensor : IDisposable
    {
        internal Tensor(TensorHandle handle)
        {
            Handle = handle;
            OwningDisposeScope = DisposeScope.Register(this);
        }

        internal TensorHandle Handle { get; private set; }

        internal DisposeScope? OwningDisposeScope { get; set; }

        public bool IsInvalid => Handle.IsInvalid || Handle.IsClosed;

        public long[] shape
        {
            get
            {
                long[] size = new long[ct_rank(Handle)];
                ct_shape(Handle, size);
                return size;
            }
        }

        public ScalarType dtype => (ScalarType)ct_dtype(Handle);

        /// <summary>The elements in memory, in row-major order, valid as long as the tensor.</summary>
        public Span<byte> bytes
        {
            get
            {
                ct_data(Handle, out nint data, out long length).ThrowIfFailed();
                return new Span<byte>((void*)data, checked((int)length));
            }
            set
            {
                Span<byte> to = bytes;
                if (to.Length != value.Length)
                    throw new ArgumentException($"{value.Length} bytes for a tensor of {to.Length} bytes.");
                value.CopyTo(to);
            }
        }

        public T item<T>()
            where T : unmanaged
        {
            if (typeof(T) != TypeOf(dtype))
                throw new ArgumentException($"{typeof(T).Name} is not compatible with {dtype}");
            Span<byte> value = bytes;
            return value.Length == sizeof(T)
                ? Unsafe.ReadUnaligned<T>(ref value[0])
                : throw new ArgumentException($"item() of a tensor of shape [{string.Join(", ", shape)}], which is not one value.");
        }

        public bool requires_grad
        {
            get => ct_requires_grad(Handle) != 0;
            set => ct_set_requires_grad(Handle, value ? 1 : 0).ThrowIfFailed();
        }

        public Tensor? grad
        {
            get
            {
                ct_grad(Handle, out nint g).ThrowIfFailed();
                return g == 0 ? null : new Tensor(new TensorHandle(g));
            }
            set => ct_set_grad(Handle, OrNone(value)).ThrowIfFailed();
        }

        public void backward(
            IList<Tensor>? grad_tensors = null, bool retain_graph = false, bool create_graph = false, IList<Tensor>? inputs = null)
        {
            if (grad_tensors is { Count: not 1 })
                throw new ArgumentException($"{grad_tensors.Count} gradients for one tensor.");
            if (inputs is not null)
                throw new NotSupportedException("This binding computes the gradients of all leaves: leave `inputs` out.");
            ct_backward(Handle, OrNone(grad_tensors?[0]), retain_graph ? 1 : 0, create_graph ? 1 : 0).ThrowIfFailed();
        }

        public Tensor reshape(params long[] shape) => Made(ct_reshape(Handle, shape, shape.Length));

        public Tensor flatten(long start_dim = 0, long end_dim = -1) => Made(ct_flatten(Handle, start_dim, end_dim));

        public Tensor narrow(long dim, long start, long length) => Made(ct_narrow(Handle, dim, start, length));

        public Tensor gather(long dim, Tensor index) => Made(ct_gather(Handle, dim, index.Handle));

        public Tensor relu() => Made(ct_relu(Handle));

        public Tensor add(Tensor target) => Made(ct_add(Handle, target.Handle));

        public Tensor sub(Tensor target) => Made(ct_sub(Handle, target.Handle));

        public Tensor mul(Tensor target) => Made(ct_mul(Handle, target.Handle));

        public Tensor sum() => Made(ct_sum(Handle));

        /// <summary>Moves the tensor to the scope around its own; where there is none, out of all scopes.</summary>
        public Tensor MoveToOuterDisposeScope()
        {
            OwningDisposeScope?.MoveToOuter(this);
            return this;
        }

        public Tensor DetachFromDisposeScope()
        {
            OwningDisposeScope?.Detach(this);
            return this;
        }

        /// <summary>Gives the handle up to another object; this one is invalid afterwards.</summary>
        internal TensorHandle MoveHandle()
        {
            TensorHandle moved = Handle;
            DetachFromDisposeScope();
            Handle = TensorHandle.None;
            return moved;
        }

        public void Dispose()
        {
            OwningDisposeScope?.MarkAsDisposed(this);
            OwningDisposeScope = null;
            if (Handle != TensorHandle.None)
                Handle.Dispose();
        }
    }

    private static Tensor Made(TensorHandle handle) => new(handle.ThrowIfFailed());

    private static TensorHandle OrNone(Tensor? tensor) => tensor?.Handle ?? TensorHandle.None;

    private static Type TypeOf(ScalarType dtype) => dtype switch
    {
        ScalarType.Int64 => typeof(long),
        ScalarType.Float32 => typeof(float),
        ScalarType.Float64 => typeof(double),
        _ => throw new NotSupportedException($"This binding has no tensors of {dtype}."),
    };
}
