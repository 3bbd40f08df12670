using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace ConvNet.Serve.Serving;

/// <summary>Decides who may see a page: those who have its token, under an address that is not a name of somebody
/// else.</summary>
/// <param name="address">The address that the server listens on.</param>
internal sealed class PageAccess(IPAddress address)
{
    private const int TokenBytes = 32;
    private const string Query = "token", Local = "localhost";

    private readonly byte[] _token = Encoding.ASCII.GetBytes(
        Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(TokenBytes)));

    /// <summary>Returns the address of the page with its token.</summary>
    /// <param name="port">The port that the server listens on.</param>
    public Uri AddressOf(int port)
    {
        bool isAny = address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);
        string host = isAny ? Dns.GetHostName() : $"{address}";
        return new UriBuilder(Uri.UriSchemeHttp, host, port)
        {
            Query = $"{Query}={Encoding.ASCII.GetString(_token)}"
        }.Uri;
    }

    /// <summary>Whether a request names the server by a number or by its own name. A page of another site can make a
    /// name of its own lead here (DNS rebinding), but then its requests carry that name.</summary>
    public bool IsOwnHost(HostString host)
    {
        string name = host.Host.Trim('[', ']');
        if (IPAddress.TryParse(name, out IPAddress? number))
            return !IPAddress.IsLoopback(address) || IPAddress.IsLoopback(number);
        return name.Equals(Local, StringComparison.OrdinalIgnoreCase) || !IPAddress.IsLoopback(address)
            && name.Equals(Dns.GetHostName(), StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Whether a request has the token in its query.</summary>
    public bool HasQuery(HttpRequest request) => IsToken(request.Query[Query]);

    /// <summary>Whether a request has the token in its cookie.</summary>
    public bool HasCookie(HttpRequest request) => IsToken(request.Cookies[CookieOf(request)]);

    /// <summary>Gives the browser the token as a cookie, so that the address need not have it.</summary>
    public void SetCookie(HttpRequest request, HttpResponse response) => response.Cookies.Append(CookieOf(request),
        Encoding.ASCII.GetString(_token), new CookieOptions { HttpOnly = true, SameSite = SameSiteMode.Strict });

    // Cookies do not distinguish ports, and several trainings may run.
    private static string CookieOf(HttpRequest request) => $"convnet-{request.HttpContext.Connection.LocalPort}";

    private bool IsToken(string? text)
        => text is not null && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(text), _token);
}
