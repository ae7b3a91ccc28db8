package credentials_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/chartgate/chartgate/pkg/credentials"
)

// TestManySecrets: they come in pages, up to a limit.
func TestManySecrets(t *testing.T) {
	t.Parallel()
	for sentence, r := range map[string]struct {
		pages int
		want  answer
	}{
		"several pages":        {3, answer{Login: "u:p", Origin: "Secret argocd/last"}},
		"as many as there may": {10, answer{Login: "u:p", Origin: "Secret argocd/last"}},
		"more than there may":  {11, answer{Error: "LimitExceeded: namespace argocd has more than 5000 repository Secrets, and chartgate reads no more"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(r.want, ask(t, resolverOf(t, paged(r.pages)), argoSource(helmURL), "")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// paged serves so many pages of 500 Secrets, the last of which holds the one for helmURL.
func paged(pages int) client.Reader {
	return fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		List: func(_ context.Context, _ client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			asked := (&client.ListOptions{}).ApplyOptions(options)
			page := 1
			if asked.Continue != "" {
				if _, err := fmt.Sscan(asked.Continue, &page); err != nil {
					return err
				}
			}
			secrets := list.(*corev1.SecretList)
			for i := range int(asked.Limit) - 1 {
				secrets.Items = append(secrets.Items, *repository(fmt.Sprint("other-", page, "-", i), fmt.Sprint("quay.io/", i), nil))
			}
			if secrets.Continue = fmt.Sprint(page + 1); page == pages {
				secrets.Items, secrets.Continue = append(secrets.Items, *repository("last", helmURL, login("u"))), ""
			} else {
				secrets.Items = append(secrets.Items, *repository(fmt.Sprint("other-", page), "quay.io/x", nil))
			}
			return nil
		},
	}).Build()
}

// TestCallersShareAList: callers that ask while a list is running share it. Nothing is kept: a
// later caller gets another one, and so does a caller that comes after one that has given up.
func TestCallersShareAList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lists atomic.Int64
		release := make(chan struct{})
		reader := fake.NewClientBuilder().WithObjects(repository("repo", helmURL, login("u"))).WithInterceptorFuncs(interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
				lists.Add(1)
				<-release
				if err := ctx.Err(); err != nil {
					return err // as a real API server's client does
				}
				return c.List(ctx, list, options...)
			},
		}).Build()
		c := resolverOf(t, reader)
		var group sync.WaitGroup
		start := func() {
			group.Go(func() {
				if got := ask(t, c, argoSource(helmURL), ""); got.Login != "u:p" {
					t.Errorf("got %+v", got)
				}
			})
			synctest.Wait()
		}
		start()
		ctx, cancel := context.WithCancel(t.Context())
		gaveUp := make(chan error, 1)
		go func() {
			_, err := c.Resolve(ctx, argoSource(helmURL), at(t, "ghcr.io/acme/charts/podinfo"))
			gaveUp <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-gaveUp; err == nil {
			t.Error("a caller that gave up got an answer")
		}
		for range 5 {
			start()
		}
		close(release)
		group.Wait()
		if lists.Load() != 2 {
			t.Errorf("%d lists, want one for the first two callers and one for the others", lists.Load())
		}
		if got := ask(t, c, argoSource(helmURL), ""); got.Login != "u:p" || lists.Load() != 3 {
			t.Errorf("a later caller did not ask the API server: %+v", got)
		}
	})
}

// TestPanicOfTheAPIClient: a panic while the Secrets are listed denies; it does not end the
// process.
func TestPanicOfTheAPIClient(t *testing.T) {
	t.Parallel()
	reader := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			panic("injected")
		},
	}).Build()
	want := answer{Error: "Internal: the repository Secrets in namespace argocd could not be read"}
	if diff := cmp.Diff(want, ask(t, resolverOf(t, reader), argoSource(helmURL), "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// watching returns a Resolver that watches the objects of a fake API server through c until the
// test ends.
func watching(t *testing.T, c client.WithWatch) *credentials.Resolver {
	t.Helper()
	resolver := credentials.New(credentials.Options{Reader: c, Watcher: c, ArgoNamespace: "argocd"})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := resolver.Start(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return resolver
}

// apiServer is a fake API server that counts reads. fail, if set, answers them.
type apiServer struct {
	client.WithWatch
	gets, lists, watches atomic.Int64
	fail                 atomic.Pointer[map[string]error] // by verb
	watch                atomic.Pointer[apiwatch.Interface]
}

func newAPIServer(objects ...client.Object) *apiServer {
	s := &apiServer{}
	failure := func(verb string) error {
		if fail := s.fail.Load(); fail != nil {
			return (*fail)[verb]
		}
		return nil
	}
	s.WithWatch = fake.NewClientBuilder().WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
			s.gets.Add(1)
			if err := failure("get"); err != nil {
				return err
			}
			return c.Get(ctx, key, into, options...)
		},
		List: func(ctx context.Context, c client.WithWatch, into client.ObjectList, options ...client.ListOption) error {
			s.lists.Add(1)
			if err := failure("list"); err != nil {
				return err
			}
			return c.List(ctx, into, options...)
		},
		Watch: func(ctx context.Context, c client.WithWatch, into client.ObjectList, options ...client.ListOption) (apiwatch.Interface, error) {
			s.watches.Add(1)
			if err := failure("watch"); err != nil {
				return nil, err
			}
			events, err := c.Watch(ctx, into, options...)
			if err != nil {
				return nil, err
			}
			proxy := apiwatch.Filter(events, func(e apiwatch.Event) (apiwatch.Event, bool) { return e, true })
			s.watch.Store(&proxy)
			context.AfterFunc(ctx, proxy.Stop)
			return proxy, nil
		},
	}).Build()
	return s
}

// asked returns how many reads of each kind the API server has answered since the last call.
func (s *apiServer) asked() string {
	return fmt.Sprintf("%d get, %d list, %d watch", s.gets.Swap(0), s.lists.Swap(0), s.watches.Swap(0))
}

func (s *apiServer) refuse(verbs map[string]error) { s.fail.Store(&verbs) }

var forbidden = apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "", errors.New("injected"))

// TestArgoRequests: what one question costs at the API server.
func TestArgoRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(repository("repo", helmURL, login("u")))
		resolver := watching(t, s)
		must := func(want string) {
			t.Helper()
			if got := ask(t, resolver, argoSource(helmURL), ""); got.Login != "u:p" {
				t.Errorf("got %+v", got)
			}
			synctest.Wait()
			if got := s.asked(); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		synctest.Wait()
		if got := s.asked(); got != "0 get, 0 list, 0 watch" {
			t.Errorf("%s before the first Application", got)
		}
		must("1 get, 2 list, 1 watch") // the question's own list, and that of the watch
		for range 3 {
			must("1 get, 0 list, 0 watch")
		}
	})
}

// TestWatchedSecrets: every change is seen.
func TestWatchedSecrets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(repository("repo", helmURL, login("u")))
		resolver := watching(t, s)
		must := func(want answer) {
			t.Helper()
			synctest.Wait()
			s.asked()
			if diff := cmp.Diff(want, ask(t, resolver, argoSource(helmURL), "")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			synctest.Wait()
			if got := s.asked(); got != "1 get, 0 list, 0 watch" {
				t.Errorf("%s, want one get", got)
			}
		}
		write := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		none := answer{CredentialError: "Unauthorized: no repository Secret in namespace argocd is for this URL"}
		ask(t, resolver, argoSource(helmURL), "")
		must(answer{Login: "u:p", Origin: "Secret argocd/repo"})
		write(s.Update(t.Context(), repository("repo", helmURL, login("v"))))
		must(answer{Login: "v:p", Origin: "Secret argocd/repo"})
		write(s.Create(t.Context(), repository("own", helmURL, with(login("w"), "project", "shop"))))
		must(answer{Login: "w:p", Origin: "Secret argocd/own"})
		write(s.Delete(t.Context(), repository("own", helmURL, nil)))
		must(answer{Login: "v:p", Origin: "Secret argocd/repo"})
		write(s.Update(t.Context(), repository("repo", helmURL, with(login("v"), "insecure", "true"))))
		synctest.Wait()
		if got := ask(t, resolver, argoSource(helmURL), ""); !strings.HasPrefix(got.Error, "Invalid: ") {
			t.Errorf("insecure is not seen: %+v", got)
		}
		write(s.Delete(t.Context(), repository("repo", helmURL, nil)))
		must(none)
	})
}

// TestBrokenWatch: what was seen before a watch ended is not used any more.
func TestBrokenWatch(t *testing.T) {
	t.Parallel()
	for sentence, r := range map[string]struct {
		then func(*apiServer)
		want string // of the second question after it
	}{
		"the API server ends it": {func(s *apiServer) { (*s.watch.Load()).Stop() }, "1 get, 0 list, 0 watch"},
		"the API server ends it, and refuses another one": {func(s *apiServer) {
			s.refuse(map[string]error{"watch": forbidden})
			(*s.watch.Load()).Stop()
		}, "1 get, 1 list, 0 watch"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newAPIServer(repository("repo", helmURL, login("u")))
				resolver := watching(t, s)
				ask(t, resolver, argoSource(helmURL), "")
				synctest.Wait()
				r.then(s)
				synctest.Wait()
				if err := s.Update(t.Context(), repository("repo", helmURL, login("v"))); err != nil {
					t.Fatal(err)
				}
				s.asked()
				for range 2 {
					if got := ask(t, resolver, argoSource(helmURL), ""); got.Login != "v:p" {
						t.Errorf("got %+v", got)
					}
					synctest.Wait()
				}
				s.asked()
				if got := ask(t, resolver, argoSource(helmURL), ""); got.Login != "v:p" || s.asked() != r.want {
					t.Errorf("got %+v", got)
				}
			})
		})
	}
}

// TestWatchWithoutAnAnswer: a watch counts only while the API server answers on the same
// connection, and while chartgate may read in Argo CD's namespace.
func TestWatchWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	for sentence, r := range map[string]struct {
		refuse map[string]error
		want   answer
	}{
		"the API server does not answer": {
			map[string]error{"get": context.DeadlineExceeded, "list": context.DeadlineExceeded},
			answer{Error: "Timeout: reading the repository Secrets in namespace argocd took too long", Next: "try again"},
		},
		"chartgate may not read any more": {
			map[string]error{"get": forbidden, "list": forbidden},
			answer{CredentialError: "Unauthorized: chartgate may not read the repository Secrets in namespace argocd"},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newAPIServer(repository("repo", helmURL, login("u")))
				resolver := watching(t, s)
				ask(t, resolver, argoSource(helmURL), "")
				synctest.Wait()
				s.refuse(r.refuse)
				if diff := cmp.Diff(r.want, ask(t, resolver, argoSource(helmURL), "")); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestLargeSecrets: Secrets that would take too much memory are listed each time.
func TestLargeSecrets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		objects := []client.Object{repository("repo", helmURL, login("u"))}
		for i := range 17 {
			objects = append(objects, repository(fmt.Sprint("large-", i), fmt.Sprint("quay.io/", i), map[string]string{"password": strings.Repeat("x", 1<<20)}))
		}
		s := newAPIServer(objects...)
		resolver := watching(t, s)
		for range 3 {
			if got := ask(t, resolver, argoSource(helmURL), ""); got.Login != "u:p" {
				t.Errorf("got %+v", got)
			}
			synctest.Wait()
		}
		if got := s.asked(); got != "3 get, 4 list, 1 watch" { // one of the lists is that of the watch
			t.Error(got)
		}
	})
}
