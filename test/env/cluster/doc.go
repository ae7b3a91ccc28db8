// Package cluster runs chartgate as a cluster does, without nodes: a real kube-apiserver and etcd,
// what helm renders from charts/chartgate, and the real binary with the rights of the chart's
// ServiceAccount and the flags of the chart's Deployment. Only what needs a node is replaced: the
// Service leads to 127.0.0.1 instead of a pod, and the process is started by the test instead of a
// kubelet.
package cluster
