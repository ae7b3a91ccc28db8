package registry_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// TestLogin: credentials are read when a registry asks for them, for the host as charts name it,
// and errors do not contain them.
func TestLogin(t *testing.T) {
	t.Parallel()
	unauthorized := func(why string) *outcome {
		return &outcome{problem.KindUnauthorized, "HOST does not let chartgate read acme/charts/podinfo: " + why, nextCredentials}
	}
	unavailable := func(why string) *outcome {
		return &outcome{Kind: problem.KindUnavailable, Detail: "CHART:1.0.0 could not be read: " + why}
	}
	basic := registrytest.Options{Auth: registrytest.Basic, Username: "user", Password: "hunter2"}
	bearer := registrytest.Options{Auth: registrytest.Bearer, Username: "user", Password: "hunter2"}
	for name, tc := range map[string]struct {
		options            registrytest.Options
		username, password string
		err                error
		token              registrytest.Fault
		want               *outcome
		asked              int
	}{
		"nobody asks":                            {options: registrytest.Options{}, username: "user", password: "hunter2", asked: 0},
		"basic":                                  {options: basic, username: "user", password: "hunter2", asked: 1},
		"bearer":                                 {options: bearer, username: "user", password: "hunter2", asked: 1},
		"bearer, for anybody":                    {options: registrytest.Options{Auth: registrytest.Bearer}, asked: 1},
		"basic, wrong password":                  {options: basic, username: "user", password: "hunter3", want: unauthorized("the registry answered 401 Unauthorized"), asked: 1},
		"bearer, wrong password":                 {options: bearer, username: "user", password: "hunter3", want: unauthorized("its token service answered 401 Unauthorized"), asked: 1},
		"basic, no credentials":                  {options: basic, want: unauthorized("it requires credentials, and chartgate has no credentials for it"), asked: 1},
		"bearer, no credentials":                 {options: bearer, want: unauthorized("its token service answered 401 Unauthorized"), asked: 1},
		"basic, no password":                     {options: basic, username: "user", want: unauthorized("chartgate's credentials for HOST lack the user name or the password"), asked: 1},
		"credentials that cannot be read":        {options: basic, err: errors.New("secret hunter2"), want: unauthorized("chartgate's credentials for HOST could not be read"), asked: 1},
		"the token service is down":              {options: bearer, username: "user", password: "hunter2", token: registrytest.Status(500), want: unavailable("unexpected answer (its token service answered 500 Internal Server Error)"), asked: 1},
		"the token service is not there":         {options: bearer, username: "user", password: "hunter2", token: registrytest.Status(404), want: unavailable("unexpected answer (its token service answered 404 Not Found)"), asked: 1},
		"the token service is busy":              {options: bearer, username: "user", password: "hunter2", token: registrytest.Status(429), want: unavailable("too many requests (its token service answered 429 Too Many Requests)"), asked: 1},
		"the token service talks without end":    {options: bearer, username: "user", password: "hunter2", token: registrytest.Huge(3 << 20), want: &outcome{Kind: problem.KindLimitExceeded, Detail: "CHART:1.0.0 could not be read: it has more than the 1024 KiB that chartgate reads"}, asked: 1},
		"the token service talks garbage":        {options: bearer, username: "user", password: "hunter2", token: serve("", "<html>"), want: unavailable("the answer is not valid JSON"), asked: 1},
		"the token service gives an empty token": {options: bearer, username: "user", password: "hunter2", token: serve("", "{}"), want: unavailable("the request failed; chartgate's log has the cause"), asked: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, tc.options)
			if tc.token != nil {
				s.Fail("/token", tc.token)
			}
			asked := []string{}
			options := s.options(t, "", "")
			options.Credentials = func(_ context.Context, at chart.Location) (string, string, error) {
				asked = append(asked, at.Host())
				return tc.username, tc.password, tc.err
			}
			_, err := registry.New(options).Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), sourceauth.Auth{})
			if tc.want == nil {
				if err != nil {
					t.Fatal(err)
				}
			} else {
				got := outcomeOf(t, err)
				equal(t, outcome{tc.want.Kind, s.text(tc.want.Detail), s.text(tc.want.Next)}, got)
				if strings.Contains(got.Detail+got.Next, "hunter") {
					t.Error("the password is told")
				}
			}
			equal(t, fmt.Sprint(make([]string, tc.asked)), fmt.Sprint(make([]string, len(asked))))
			for _, host := range asked {
				equal(t, s.Host(), host)
			}
		})
	}
}

// TestLoginInTime: credentials that arrive too late are a timeout, and not a refusal.
func TestLoginInTime(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{Auth: registrytest.Basic, Username: "user", Password: "hunter2"})
	options := s.options(t, "", "")
	options.Credentials = func(ctx context.Context, _ chart.Location) (string, string, error) {
		<-ctx.Done()
		return "", "", ctx.Err()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := registry.New(options).Resolve(ctx, reference(t, s, "CHART:1.0.0"), sourceauth.Auth{})
	equal(t, problem.KindTimeout, outcomeOf(t, err).Kind)
}

// TestNewPassword: if a registry refuses a token that it has issued, the credentials are read
// again.
func TestNewPassword(t *testing.T) {
	t.Parallel()
	for _, auth := range []registrytest.Auth{registrytest.Basic, registrytest.Bearer} {
		s := newShelf(t, registrytest.Options{Auth: auth, Username: "user", Password: "new"})
		password, asked := "new", 0
		options := s.options(t, "", "")
		options.Credentials = func(context.Context, chart.Location) (string, string, error) {
			asked++
			return "user", password, nil
		}
		c := registry.New(options)
		for _, want := range []int{1, 1, 2} {
			if want == 2 {
				s.Fail("/manifests/", registrytest.Times(1, answer(401, "WWW-Authenticate: "+challenge(auth, s))))
			}
			if _, err := c.Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), sourceauth.Auth{}); err != nil {
				t.Fatal(err)
			}
			equal(t, want, asked)
		}
	}
}

func challenge(auth registrytest.Auth, s shelf) string {
	if auth == registrytest.Basic {
		return `Basic realm="x"`
	}
	return fmt.Sprintf(`Bearer realm="http://%s/token",service=%q,scope="repository:%s:pull"`, s.Host(), s.Host(), repo)
}

// TestDockerHub: requests to Docker Hub go to the host of its registry, with the credentials for
// docker.io.
func TestDockerHub(t *testing.T) {
	t.Parallel()
	var asked, reached []string
	c := registry.New(registry.Options{
		Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
			reached = append(reached, req.URL.String())
			w := httptest.NewRecorder()
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(401)
			return w.Result(), nil
		}),
		Credentials: func(_ context.Context, at chart.Location) (string, string, error) {
			asked = append(asked, at.Host())
			return "user", "hunter2", nil
		},
	})
	ref, err := chart.ParseReference("oci://docker.io/acme/podinfo:1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Resolve(t.Context(), ref, sourceauth.Auth{})
	equal(t, "docker.io does not let chartgate read acme/podinfo: the registry answered 401 Unauthorized", outcomeOf(t, err).Detail)
	equal(t, []string{"docker.io"}, asked)
	const url = "https://registry-1.docker.io/v2/acme/podinfo/manifests/1.0.0"
	equal(t, []string{url, url}, reached)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// TestLoginsOfTwoRepositories: a token of one repository is not used for another, which may have
// another login, with each scheme of authentication.
func TestLoginsOfTwoRepositories(t *testing.T) {
	t.Parallel()
	for _, auth := range []registrytest.Auth{registrytest.Basic, registrytest.Bearer} {
		s := newShelf(t, registrytest.Options{Auth: auth, Username: "user", Password: "hunter2"})
		options := s.options(t, "", "")
		var asked []string
		options.Credentials = func(_ context.Context, at chart.Location) (string, string, error) {
			asked = append(asked, at.Path())
			if at.Path() == repo {
				return "user", "hunter2", nil
			}
			return "user", "another", nil
		}
		c := registry.New(options)
		other := strings.Replace("CHART:1.0.0", "CHART", "oci://"+s.Host()+"/acme/other", 1)
		for range 2 {
			if _, err := c.Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), sourceauth.Auth{}); err != nil {
				t.Error(err)
			}
			_, err := c.Resolve(t.Context(), reference(t, s, other), sourceauth.Auth{})
			equal(t, problem.KindUnauthorized, outcomeOf(t, err).Kind)
		}
		if len(asked) < 2 || asked[0] != repo || asked[1] != "acme/other" {
			t.Errorf("asked for %q", asked)
		}
	}
}

// TestIdentity: an identity for a whole cloud is used only if the connection allows it, and only if
// the admin has configured no login.
func TestIdentity(t *testing.T) {
	t.Parallel()
	none := func(context.Context, chart.Location) (string, string, error) { return "", "", nil }
	right := func(context.Context, chart.Location) (string, string, error) { return "user", "hunter2", nil }
	wrong := func(context.Context, chart.Location) (string, string, error) { return "user", "hunter3", nil }
	for name, tc := range map[string]struct {
		access       sourceauth.Auth
		connection   registry.Connection
		own          registry.Login
		identity     registry.Login
		good, nobody bool
	}{
		"nobody's access":                      {own: none, identity: right, good: true},
		"a connection that lets it":            {someone, registry.Connection{Identity: true}, none, right, true, false},
		"a connection that does not":           {someone, registry.Connection{}, none, right, false, false},
		"a login that the admin named":         {someone, registry.Connection{}, right, wrong, true, false},
		"a login that the admin named first":   {someone, registry.Connection{Identity: true}, wrong, right, false, false},
		"nobody knows how consumers connect":   {someone, registry.Connection{}, none, right, true, true},
		"no logins at all, and an identity":    {someone, registry.Connection{Identity: true}, nil, right, true, false},
		"no logins at all, and it may not log": {someone, registry.Connection{}, nil, right, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{Auth: registrytest.Basic, Username: "user", Password: "hunter2"})
			options := s.options(t, "", "")
			options.Credentials, options.Identity = tc.own, tc.identity
			if !tc.nobody {
				options.Connect = always(tc.connection)
			}
			_, err := registry.New(options).Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), tc.access)
			equal(t, tc.good, err == nil)
		})
	}
}

// TestIdentityToken: it is exchanged for an access token, and is not sent along with a redirect.
func TestIdentityToken(t *testing.T) {
	t.Parallel()
	exchange := func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		if req.Method != http.MethodPost || req.PostFormValue("refresh_token") != "1dentity" || req.PostFormValue("grant_type") != "refresh_token" {
			w.WriteHeader(401)
			return
		}
		req.Method, req.Body = http.MethodGet, http.NoBody
		req.SetBasicAuth("user", "hunter2")
		given := httptest.NewRecorder()
		healthy.ServeHTTP(given, req)
		_, _ = fmt.Fprint(w, strings.Replace(given.Body.String(), "token", "access_token", 1))
	}
	for name, tc := range map[string]struct {
		auth  registrytest.Auth
		token string
		moved bool
		want  string
	}{
		"good":       {auth: registrytest.Bearer, token: "1dentity"},
		"wrong":      {auth: registrytest.Bearer, token: "0ther", want: "HOST does not let chartgate read acme/charts/podinfo: its token service answered 401 Unauthorized"},
		"redirected": {auth: registrytest.Bearer, token: "1dentity", moved: true, want: "CHART:1.0.0 could not be read: the token service redirects a login, which is refused"},
		"basic":      {auth: registrytest.Basic, token: "1dentity", want: "HOST does not let chartgate read acme/charts/podinfo: it requires a user name and password, and an identity token is neither"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{Auth: tc.auth, Username: "user", Password: "hunter2"})
			e := newElsewhere(t, false, func(http.ResponseWriter, *http.Request) {})
			s.Fail("POST /token", exchange)
			if tc.moved {
				s.Fail("POST /token", redirectTo(e))
			}
			options := s.options(t, "<token>", tc.token)
			options.PlainHTTP = append(options.PlainHTTP, e.host())
			_, err := registry.New(options).Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), sourceauth.Auth{})
			if tc.want != "" {
				equal(t, s.text(tc.want), outcomeOf(t, err).Detail)
			} else if err != nil {
				t.Error(err)
			}
			equal(t, 0, len(e.seen))
		})
	}
}
