// Package pods runs what chartgate's Deployment asks for on a control plane without nodes: it is the controllers
// and the kubelet for this Deployment, and kube-proxy for its Service. Unlike cluster.Install, it changes nothing that others
// have written, so Flux and Argo CD find in the cluster what they put there.
//
// As a kubelet does, it pulls the image and starts its program with the arguments and files of the Deployment. As the
// deployment controller does, it stops the old pods once all of the new ones are ready, and says in the Deployment's status how
// far it is: helm waits for that.
package pods

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/test/env/cluster"
)

// Pods are the pods of the Deployment chartgate.
type Pods struct {
	cluster *cluster.Cluster
	network *Network
	images  images
	stop    context.CancelFunc
	stopped chan struct{}

	old, present rollout // only the loop changes them

	mu      sync.Mutex
	log     strings.Builder // of pods that have ended
	trouble error           // of the last step
}

// rollout is the pods of one version of the Deployment.
type rollout struct {
	template string
	pods     []*pod
	// tried is when pods were started last, with what error.
	tried  time.Time
	failed error
}

// backOff is the time before a pod that could not start, or has ended, is started again.
const backOff = 3 * time.Second

type pod struct {
	*cluster.Process
	address string
}

// Start runs the pods of the Deployment chartgate whenever there is one. The network must be that of the cluster. Dir takes
// the images. Stop stops them.
func Start(c *cluster.Cluster, network *Network, dir string) *Pods {
	ctx, stop := context.WithCancel(context.Background())
	p := &Pods{cluster: c, network: network, images: images{dir: dir}, stop: stop, stopped: make(chan struct{})}
	go func() {
		defer close(p.stopped)
		for ctx.Err() == nil {
			p.note(p.step(ctx))
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
		p.end(&p.old)
		p.end(&p.present)
	}()
	return p
}

// pause is the time between two looks at the Deployment.
const pause = 200 * time.Millisecond

// step brings the pods one step closer to what the Deployment says.
func (p *Pods) step(ctx context.Context) error {
	var deployment appsv1.Deployment
	err := p.cluster.Client.Get(ctx, client.ObjectKey{Namespace: cluster.Namespace, Name: "chartgate"}, &deployment)
	if apierrors.IsNotFound(err) {
		p.end(&p.old)
		p.end(&p.present)
		return nil
	}
	if err != nil {
		return err
	}
	template, err := json.Marshal(deployment.Spec.Template)
	if err != nil {
		return err
	}
	if string(template) != p.present.template {
		if p.ready(ctx, p.present) == len(p.present.pods) {
			p.end(&p.old)
			p.old = p.present
		} else {
			p.end(&p.present) // pods that never served: the older ones still do
		}
		p.present = rollout{template: string(template)}
	}
	replicas := int(*deployment.Spec.Replicas)
	failed := p.start(ctx, deployment, replicas)
	ready := p.ready(ctx, p.present)
	if ready == replicas {
		p.end(&p.old)
	}
	return errors.Join(failed, p.report(ctx, &deployment, ready, p.ready(ctx, p.old)))
}

// start starts the present pods that are not there, or have ended.
func (p *Pods) start(ctx context.Context, deployment appsv1.Deployment, replicas int) error {
	if time.Since(p.present.tried) < backOff {
		return p.present.failed
	}
	for len(p.present.pods) < replicas {
		p.present.pods = append(p.present.pods, nil)
	}
	p.present.failed = nil
	for n, running := range p.present.pods {
		if running != nil && !running.Ended() {
			continue
		}
		p.bury(running)
		p.present.tried = time.Now()
		started, err := p.startOne(ctx, deployment.Spec.Template.Spec.Containers[0].Image)
		p.present.pods[n] = started
		p.present.failed = errors.Join(p.present.failed, err)
	}
	return p.present.failed
}

func (p *Pods) startOne(ctx context.Context, image string) (*pod, error) {
	binary, err := p.images.program(ctx, image)
	if err != nil {
		return nil, err
	}
	installation, err := p.cluster.Pod(ctx, binary)
	if err != nil {
		return nil, err
	}
	process, err := installation.Launch(ctx)
	if err != nil {
		return nil, err
	}
	return &pod{process, installation.Address()}, nil
}

// ready counts the pods that are ready.
func (p *Pods) ready(ctx context.Context, of rollout) int {
	count := 0
	for _, each := range of.pods {
		if each == nil {
			continue
		}
		if each.Ended() || each.Ready(ctx) != nil {
			p.network.remove(each.address)
			continue
		}
		p.network.add(each.address)
		count++
	}
	return count
}

// end stops pods: no new request reaches them, and they answer those that they have.
func (p *Pods) end(these *rollout) {
	for _, each := range these.pods {
		p.bury(each)
	}
	*these = rollout{}
}

func (p *Pods) bury(each *pod) {
	if each == nil {
		return
	}
	p.network.remove(each.address)
	err := each.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(&p.log, "== a pod that has ended: %v\n%s", err, each.Log())
}

// report writes the Deployment's status.
func (p *Pods) report(ctx context.Context, deployment *appsv1.Deployment, ready, old int) error {
	replicas := *deployment.Spec.Replicas
	status := appsv1.DeploymentStatus{
		ObservedGeneration: deployment.Generation, Replicas: replicas + int32(old), UpdatedReplicas: replicas,
		ReadyReplicas: int32(ready + old), AvailableReplicas: int32(ready + old), UnavailableReplicas: replicas - int32(ready),
	}
	available, complete := corev1.ConditionFalse, "ReplicaSetUpdated"
	if int32(ready+old) >= replicas {
		available = corev1.ConditionTrue
	}
	if int32(ready) == replicas {
		complete = "NewReplicaSetAvailable"
	}
	status.Conditions = []appsv1.DeploymentCondition{
		{Type: appsv1.DeploymentAvailable, Status: available, Reason: "MinimumReplicas"},
		{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: complete},
	}
	if !equality.Semantic.DeepEqual(status, deployment.Status) {
		deployment.Status = status
		if err := p.cluster.Client.Status().Update(ctx, deployment); err != nil {
			return err
		}
	}
	return p.reportBudget(ctx, status.AvailableReplicas)
}

// reportBudget writes the status of the PodDisruptionBudget, for which Argo CD waits.
func (p *Pods) reportBudget(ctx context.Context, healthy int32) error {
	var budget policyv1.PodDisruptionBudget
	err := p.cluster.Client.Get(ctx, client.ObjectKey{Namespace: cluster.Namespace, Name: "chartgate"}, &budget)
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	if len(budget.Status.Conditions) > 0 && budget.Status.CurrentHealthy == healthy {
		return nil
	}
	budget.Status = policyv1.PodDisruptionBudgetStatus{ObservedGeneration: budget.Generation, CurrentHealthy: healthy, ExpectedPods: healthy}
	meta.SetStatusCondition(&budget.Status.Conditions, metav1.Condition{
		Type: policyv1.DisruptionAllowedCondition, Status: metav1.ConditionTrue, Reason: policyv1.SufficientPodsReason,
	})
	return p.cluster.Client.Status().Update(ctx, &budget)
}

// note keeps what went wrong in the last step. It is tried again in the next.
func (p *Pods) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trouble = err
}

// Trouble is what keeps pods from starting; nil if nothing does.
func (p *Pods) Trouble() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.trouble
}

// Stop stops the pods.
func (p *Pods) Stop() {
	if p == nil {
		return
	}
	p.stop()
	<-p.stopped
}

// Log is what the pods have written that have ended, all of them after Stop.
func (p *Pods) Log() string {
	if p == nil {
		return ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("%s== pods: %v\n", p.log.String(), p.trouble)
}
