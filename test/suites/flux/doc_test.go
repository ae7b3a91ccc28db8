// Package flux_test runs the real source-controller and helm-controller in front of a real API server
// with the webhook configuration of chartgate's own chart and the real chartgate.
//
// What helm-controller 1.6.4 does, which the gate on HelmRelease/status leans on (seen in these tests,
// or read in its code where it says so):
//
//   - It reads the source (HelmChart or OCIRepository) from its cache, downloads the artifact by the
//     URL and digest in it, and then sets in its own copy of the status lastAttemptedGeneration,
//     lastAttemptedRevision (the chart's version; for an OCIRepository with "+" and twelve digits of
//     the digest), lastAttemptedRevisionDigest (OCIRepository only) and lastAttemptedConfigDigest (the
//     values'). Nothing of it is written before there is an action or the reconciliation ends.
//   - lastAttemptedRevisionDigest is what follows "@" in the artifact's revision where the tag is a
//     semantic version, and the whole revision otherwise: "sha256:…", "latest@sha256:…".
//   - Before every action (install, upgrade, rollback, uninstall after a failure, correction of drift,
//     unlock, test) it sends two patches of HelmRelease/status: first the conditions (Reconciling says
//     "Running 'install' action with timeout of 5m0s"), then the other fields that differ from what it
//     wrote last. Where either fails, the action does not run. Both are sent again at the end of the
//     reconciliation, and in every later one: about four denials a try.
//   - A field that is as before is in neither patch. Only the conditions change before an install
//     because the storage Secret was deleted, before another try after a failure, and before a forced
//     upgrade (with lastHandledForceAt). Other values change lastAttemptedConfigDigest, and
//     lastAttemptedGeneration where they stand in the spec; another interval the latter alone, in the
//     write of observedGeneration. history, inventory and lastAttemptedReleaseAction are written after
//     the action, in a write of their own.
//   - All of it is written by the service account's user with the field manager helm-controller.
//   - Once the denial ends, it goes on without anyone's help, but for a forced upgrade: that request is
//     marked as handled by the patch at the end, which is admitted.
//   - After that patch it waits up to 10 s for its cache to show the history that it has in memory
//     (code): a denied change of status.history would hold one of its four workers for as long.
package flux_test
