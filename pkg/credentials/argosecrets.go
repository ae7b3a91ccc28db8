package credentials

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/coalesce"
	"github.com/chartgate/chartgate/pkg/problem"
)

const (
	// maxArgoSecrets is the number of Argo CD's repository Secrets that are searched. Each has
	// about 1 KiB, so they take some 5 MiB.
	maxArgoSecrets = 5000
	// argoPage is how many of them one request asks for.
	argoPage = 500
	// maxWatched is how many bytes of them are kept. Members of Argo CD projects can write Secrets
	// of 1 MiB. If there is more, they are listed each time.
	maxWatched = 16 << 20
	// listTimeout limits a list that several admissions share, so that it does not depend on the
	// deadline of the first one. The API server waits at most 30 s for a webhook.
	listTimeout = 15 * time.Second
	// watchPause is the time after a failed watch in which no other one is tried.
	watchPause = 30 * time.Second
)

// argoSecrets are Argo CD's repository Secrets and credential templates.
//
// A list of them costs an admission up to 100 ms: the API server answers a consistent list when its
// cache has caught up with the newest write of any kind, for which it asks etcd every 100 ms
// (apiserver/pkg/storage/cacher/progress). So they are watched, from the first time that they are
// needed. A watch that ends, for whatever reason, leaves nothing behind: until another one runs,
// the Secrets are listed.
type argoSecrets struct {
	reader    client.Reader
	watcher   client.WithWatch
	namespace string
	log       logr.Logger
	lists     *coalesce.Group[string, []*corev1.Secret]
	needed    chan struct{}
	watched   atomic.Pointer[[]*corev1.Secret] // nil while no watch is running
}

func newArgoSecrets(o Options) *argoSecrets {
	return &argoSecrets{
		reader: o.Reader, watcher: o.Watcher, namespace: o.ArgoNamespace, log: o.Log.WithName("credentials"),
		lists:  coalesce.New[string, []*corev1.Secret](listTimeout),
		needed: make(chan struct{}, 1),
	}
}

// get returns the Secrets. The caller must not change them. If alive is not set, the watch is not
// trusted.
func (s *argoSecrets) get(ctx context.Context, alive bool) ([]*corev1.Secret, *problem.Error) {
	if watched := s.watched.Load(); watched != nil && alive {
		return *watched, nil
	}
	select {
	case s.needed <- struct{}{}:
	default: // it is known already
	}
	listed, err := s.lists.Do(ctx, s.namespace, func(ctx context.Context) ([]*corev1.Secret, error) {
		listed, _, err := s.list(ctx)
		return listed, err
	})
	if perr, ok := errors.AsType[*problem.Error](err); ok {
		return nil, perr
	}
	return listed, readError(ctx, "the repository Secrets in namespace "+s.namespace, nextForArgo, err)
}

// selection selects the Secrets by Argo CD's label.
func (s *argoSecrets) selection() ([]client.ListOption, error) {
	types, err := labels.NewRequirement(argoLabel, selection.In, []string{argoRepositoryType, argoTemplateType})
	if err != nil {
		return nil, err
	}
	return []client.ListOption{
		client.InNamespace(s.namespace), client.MatchingLabelsSelector{Selector: labels.NewSelector().Add(*types)},
	}, nil
}

// list returns the Secrets as they are now, and the resource version of the list.
func (s *argoSecrets) list(ctx context.Context) (all []*corev1.Secret, version string, err error) {
	options, err := s.selection()
	if err != nil {
		return nil, "", err
	}
	var page corev1.SecretList
	for {
		options := append(slices.Clone(options), client.Limit(argoPage), client.Continue(page.Continue))
		page = corev1.SecretList{}
		if err := s.reader.List(ctx, &page, options...); err != nil {
			return nil, "", err
		}
		for i := range page.Items {
			all = append(all, &page.Items[i])
		}
		switch {
		case page.Continue == "":
			return all, page.ResourceVersion, nil
		case len(all) >= maxArgoSecrets:
			return nil, "", s.tooMany()
		}
	}
}

func (s *argoSecrets) tooMany() *problem.Error {
	return &problem.Error{
		Kind:   problem.KindLimitExceeded,
		Detail: fmt.Sprintf("namespace %s has more than %d repository Secrets, and chartgate reads no more", s.namespace, maxArgoSecrets),
	}
}

// watch watches the Secrets whenever they are needed, until ctx is done.
func (s *argoSecrets) watch(ctx context.Context) {
	if s.watcher == nil || s.namespace == "" {
		<-ctx.Done()
		return
	}
	last := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.needed:
		}
		err := s.watchOnce(ctx)
		if err == nil || ctx.Err() != nil {
			last = ""
			continue
		}
		if text := err.Error(); text != last {
			last = text
			s.log.Info("Argo CD's repository Secrets cannot be watched, so each admission of an Application lists them",
				"namespace", s.namespace, "error", text)
		}
		select {
		case <-ctx.Done():
		case <-time.After(watchPause):
		}
	}
}

// watchOnce keeps watched equal to the API server's Secrets until the watch ends. It returns nil
// where the API server ends the watch, as it does every half an hour or hour.
func (s *argoSecrets) watchOnce(ctx context.Context) error {
	listed, version, err := s.list(ctx)
	if err != nil {
		return err
	}
	options, err := s.selection()
	if err != nil {
		return err
	}
	options = append(options, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: version}})
	events, err := s.watcher.Watch(ctx, &corev1.SecretList{}, options...)
	if err != nil {
		return err
	}
	defer events.Stop()
	defer s.watched.Store(nil)
	known := map[string]*corev1.Secret{}
	for _, secret := range listed {
		known[secret.Name] = reduced(secret)
	}
	for {
		if err := s.publish(known); err != nil {
			return err
		}
		event, open := <-events.ResultChan()
		if !open {
			return nil
		}
		secret, ok := event.Object.(*corev1.Secret)
		switch {
		case !ok:
			return apierrors.FromObject(event.Object)
		case event.Type == apiwatch.Added, event.Type == apiwatch.Modified:
			known[secret.Name] = reduced(secret)
		case event.Type == apiwatch.Deleted:
			delete(known, secret.Name)
		default:
			return fmt.Errorf("unexpected event %s", event.Type)
		}
	}
}

// publish makes the Secrets known to get.
func (s *argoSecrets) publish(known map[string]*corev1.Secret) error {
	size := 0
	all := make([]*corev1.Secret, 0, len(known))
	for _, secret := range known {
		all = append(all, secret)
		for key, value := range secret.Data {
			size += len(key) + len(value)
		}
	}
	switch {
	case len(all) > maxArgoSecrets:
		return s.tooMany()
	case size > maxWatched:
		return fmt.Errorf("they have more than %d bytes", maxWatched)
	}
	slices.SortFunc(all, func(a, b *corev1.Secret) int { return strings.Compare(a.Name, b.Name) })
	s.watched.Store(&all)
	return nil
}

// reduced returns what is read of a Secret. Annotations may hold its content a second time.
func reduced(secret *corev1.Secret) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: secret.Namespace, Name: secret.Name,
			Labels: map[string]string{argoLabel: secret.Labels[argoLabel]},
		},
		Data: secret.Data,
	}
}
