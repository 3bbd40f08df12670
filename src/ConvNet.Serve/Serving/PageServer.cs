using System.Globalization;
using System.Net;
using System.Net.Sockets;
using ConvNet.Serve.Runs;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace ConvNet.Serve.Serving;

/// <summary>Serves the page of some runs over HTTP.</summary>
/// <remarks>Nothing of the server is configured by the environment or the working folder.</remarks>
internal sealed class PageServer : IDisposable
{
    private const int MostConnections = 64, MostPages = 16;

    // The default policy allows nothing, and no policy allows the page to load anything from elsewhere. The chart
    // library sets styles of single elements by script, which needs no permission.
    private const string Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        + "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    // An interrupted command ends its process after 1.5 seconds.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    private readonly RunBoard _board;
    private readonly PageAccess _access;
    private readonly WebApplication _app;
    private int _pages;

    private PageServer(RunBoard board, IPAddress address, int port)
    {
        (_board, _access) = (board, new PageAccess(address));
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = MostConnections;
            kestrel.Limits.MaxRequestBodySize = 0;
            kestrel.Listen(address, port);
        });
        _app = builder.Build();
        ((IApplicationBuilder)_app).Run(AnswerAsync);
    }

    /// <summary>The address of the page, with its token.</summary>
    public Uri Address => _access.AddressOf(new Uri(_app.Urls.First()).Port);

    /// <summary>Starts a server.</summary>
    /// <param name="board">The runs.</param>
    /// <param name="address">The address to listen on.</param>
    /// <param name="port">The port; 0 for one that is free.</param>
    /// <exception cref="IOException">The server cannot listen there.</exception>
    public static PageServer Start(RunBoard board, IPAddress address, int port)
    {
        var server = new PageServer(board, address, port);
        try
        {
            server._app.StartAsync().GetAwaiter().GetResult();
            return server;
        }
        catch (Exception error) when (error is IOException or SocketException)
        {
            ((IDisposable)server._app).Dispose();
            SocketError? reason = (error as SocketException ?? error.GetBaseException() as SocketException)
                ?.SocketErrorCode;
            string place = string.Create(CultureInfo.InvariantCulture, $"port {port} of {address}");
            throw new IOException(reason switch
            {
                SocketError.AddressAlreadyInUse => $"The page cannot be served: {place} is taken by another program. "
                    + "Use another port, or 0 for one that is free.",
                SocketError.AccessDenied => $"The page cannot be served: there is no permission to use {place}. Use a "
                    + "port of at least 1024, or 0 for one that is free.",
                SocketError.AddressNotAvailable => $"The page cannot be served: {address} is no address of this "
                    + "machine. Use one of its addresses, or 0.0.0.0 for all.",
                _ => $"The page cannot be served on {place}: {error.Message}",
            }, error);
        }
    }

    /// <summary>Stops the server. What is being sent is sent to its end, unless that takes longer than a
    /// second.</summary>
    public void Dispose()
    {
        using var patience = new CancellationTokenSource(s_patience);
        _app.StopAsync(patience.Token).GetAwaiter().GetResult();
        ((IDisposable)_app).Dispose();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        HttpRequest request = context.Request;
        HttpResponse response = context.Response;
        response.Headers.ContentSecurityPolicy = Policy;
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers.CacheControl = "no-store";
        response.Headers["Referrer-Policy"] = "no-referrer";
        if (!_access.IsOwnHost(request.Host))
            await RefuseAsync(response, StatusCodes.Status403Forbidden,
                "This page has another name. Open the address that convnet has printed.");
        else if (!HttpMethods.IsGet(request.Method))
            await RefuseAsync(response, StatusCodes.Status405MethodNotAllowed, "This page can only be read.");
        else if (request.Path == "/" && _access.HasQuery(request))
        {
            _access.SetCookie(request, response);
            response.Redirect("/");
        }
        else if (!_access.HasCookie(request) && !_access.HasQuery(request))
            await RefuseAsync(response, StatusCodes.Status403Forbidden,
                "Open the whole address that convnet has printed, with its token.");
        else
            await SendAsync(request, response, context.RequestAborted);
    }

    private async Task SendAsync(HttpRequest request, HttpResponse response, CancellationToken cancellation)
    {
        if (request.Path == "/events")
            await SendEventsAsync(response, cancellation);
        else if (request.Path == "/pictures")
            await SendPicturesAsync(request, response, cancellation);
        else if (PageFiles.Find(request.Path.Value ?? "") is var (type, content))
        {
            response.ContentType = type;
            await response.Body.WriteAsync(content, cancellation);
        }
        else
            await RefuseAsync(response, StatusCodes.Status404NotFound, "There is no such page.");
    }

    private async Task SendEventsAsync(HttpResponse response, CancellationToken cancellation)
    {
        try
        {
            if (Interlocked.Increment(ref _pages) > MostPages)
                await RefuseAsync(response, StatusCodes.Status503ServiceUnavailable,
                    $"The page is already open {MostPages} times. Close one of them.");
            else
                await EventStream.WriteAsync(response, _board, cancellation);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // The page was closed.
        }
        finally
        {
            Interlocked.Decrement(ref _pages);
        }
    }

    private async Task SendPicturesAsync(HttpRequest request, HttpResponse response, CancellationToken cancellation)
    {
        byte[]? json = int.TryParse(request.Query["run"], NumberStyles.None, CultureInfo.InvariantCulture, out int run)
            && run < _board.Runs.Count
            && int.TryParse(request.Query["epoch"], NumberStyles.None, CultureInfo.InvariantCulture, out int epoch)
            ? _board.Runs[run].PicturesJson(epoch) : null;
        if (json is null)
        {
            await RefuseAsync(response, StatusCodes.Status404NotFound, "There are no such pictures.");
            return;
        }
        response.ContentType = "application/json";
        await response.Body.WriteAsync(json, cancellation);
    }

    private static async Task RefuseAsync(HttpResponse response, int status, string why)
    {
        response.StatusCode = status;
        response.ContentType = "text/plain; charset=utf-8";
        await response.WriteAsync(why);
    }
}
