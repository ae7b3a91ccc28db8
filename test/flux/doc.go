// Package flux runs the real source-controller and helm-controller in front of a real API server with the webhook
// configuration of chartgate's own chart and the real chartgate.
//
// What helm-controller 1.6.4 writes before it acts, which the gate on HelmRelease/status leans on:
//
//   - It reads the source (HelmChart or OCIRepository) from its cache, downloads the artifact by the URL and digest in it,
//     and then sets in its own copy of the status lastAttemptedGeneration, lastAttemptedRevision (the chart's version; for
//     an OCIRepository with "+" and twelve digits of the digest), lastAttemptedRevisionDigest (OCIRepository only) and
//     lastAttemptedConfigDigest (the values'). Nothing of it is written before there is an action or the reconciliation ends.
//   - lastAttemptedRevisionDigest is what follows "@" in the artifact's revision where the tag is a semantic version, and the
//     whole revision otherwise: "sha256:…", "latest@sha256:…".
//   - Before every action (install, upgrade, rollback, uninstall after a failure, correction of drift, unlock, test) it sends
//     two patches of HelmRelease/status: first the conditions (a GET and a merge patch with resourceVersion; Reconciling says
//     "Running 'install' action with timeout of 5m0s"), then the other fields of the status that differ from what it wrote
//     last (a merge patch without resourceVersion). Where either fails, the action does not run. The failed fields are sent
//     again by the patch at the end of the reconciliation, and in every later one.
//   - A field that is as before is in neither patch. So these actions change no lastAttempted* field: an install because the
//     storage Secret was deleted, another try after a failure, an upgrade because status.history was cleared or the Secret no
//     longer fits its digest. A forced upgrade changes lastHandledForceAt; other values change lastAttemptedConfigDigest, and
//     lastAttemptedGeneration where they stand in the spec; other post-renderers lastAttemptedGeneration. A HelmChart with
//     other content of the same version changes none.
//   - Whoever wrote the same values into the status before takes a field out of the patch, also while the release is suspended.
//   - After the patch at the end it waits up to 10 s for its cache to show the history that it has in memory: a denied change of
//     status.history holds one of its four workers for as long.
package flux
