using System.Diagnostics;

namespace TorchSharp;

/// <summary>
/// Disposes, when it ends, every tensor made on its thread since it began, but those that were moved to the scope around
/// it or detached from all scopes. Scopes nest; the innermost one of the thread takes a new tensor.
/// </summary>
internal sealed class DisposeScope : IDisposable
{
    [ThreadStatic]
    private static DisposeScope? s_current;

    private readonly DisposeScope? outer;
    private readonly HashSet<IDisposable> disposables = new(ReferenceEqualityComparer.Instance);

    private DisposeScope(DisposeScope? outer) => this.outer = outer;

    internal static DisposeScope New() => s_current = new DisposeScope(s_current);

    /// <returns>The scope that took the tensor; null where the thread has none.</returns>
    internal static DisposeScope? Register(torch.Tensor tensor)
    {
        s_current?.disposables.Add(tensor);
        return s_current;
    }

    public int DisposablesCount => disposables.Count;

    public T MoveToOuter<T>(T disposable)
        where T : IDisposable
    {
        if (disposables.Remove(disposable))
        {
            outer?.disposables.Add(disposable);
            SetOwner(disposable, outer);
        }
        return disposable;
    }

    public T Detach<T>(T disposable)
        where T : IDisposable
    {
        if (disposables.Remove(disposable))
            SetOwner(disposable, null);
        return disposable;
    }

    /// <summary>Called by a tensor that is disposed before its scope ends.</summary>
    internal void MarkAsDisposed(torch.Tensor tensor) => disposables.Remove(tensor);

    public void Dispose()
    {
        Debug.Assert(s_current == this, "Dispose scopes end in the reverse order of their beginning.");
        foreach (IDisposable disposable in disposables)
        {
            SetOwner(disposable, null);
            disposable.Dispose();
        }
        disposables.Clear();
        s_current = outer;
    }

    private static void SetOwner(IDisposable disposable, DisposeScope? owner)
    {
        if (disposable is torch.Tensor tensor)
            tensor.OwningDisposeScope = owner;
    }
}
