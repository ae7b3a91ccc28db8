package credentials

import "time"

const (
	// maxArgoSecrets bounds Argo CD's repository Secrets that one question looks
	// through. Each has about 1 KiB, so it is some 5 MiB from the API server at most.
	maxArgoSecrets = 5000
	// argoPage is how many of them one request asks for.
	argoPage = 500

	// argoTimeout bounds a list that several admissions wait for, so that it does not
	// depend on the time of the one that asked first. The API server waits 30 s at most
	// for a webhook.
	argoTimeout = 15 * time.Second

	// maxPullSecrets bounds the imagePullSecrets of one service account; they are read
	// one by one. Real ones have one or two.
	maxPullSecrets = 16

	// maxProxyAddress is Flux's own bound for the address of a proxy.
	maxProxyAddress = 2048

	// maxTokens bounds the tokens of each cloud that are kept; there is one for a
	// registry host.
	maxTokens = 100
)
