using Microsoft.Extensions.Hosting;

namespace ConvNet.Serve.Serving;

/// <summary>The lifetime of a server that its program starts and stops. The usual one would handle the signals of the
/// process.</summary>
internal sealed class NoLifetime : IHostLifetime
{
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
