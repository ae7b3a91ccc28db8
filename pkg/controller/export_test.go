package controller

import "sigs.k8s.io/controller-runtime/pkg/event"

// KeyChanges is the channel by which controllers learn of other keys.
func KeyChanges(k *Keys) <-chan event.GenericEvent { return k.changes() }
