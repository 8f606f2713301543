"""What the W&B stand-in knows, and how it shows it to GraphQL."""

# ruff: noqa: A002, A006, ARG005, N803 - arguments have the names that W&B gave them

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from tests.servers.wandb_records import (
    ENTITY,
    NOW,
    Artifact,
    Run,
    connection,
    nothing,
    short,
    shown_project,
    viewer,
)


@dataclass
class State:
    """All of it, open to the tests."""

    url: str = ""
    runs: dict[str, Run] = field(default_factory=dict)
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)

    def root(self) -> dict[str, Any]:
        """What GraphQL queries and mutations begin at."""
        changes = {
            "upsertBucket": self.upsert_run,
            "createRunFiles": self.create_run_files,
            "createArtifact": self.create_artifact,
            "createArtifactManifest": self.create_manifest,
            "updateArtifactManifest": self.update_manifest,
            "createArtifactFiles": self.create_files,
            "commitArtifact": self.commit,
            "useArtifact": self.use,
        }
        return {
            "serverInfo": {"features": [], "cliVersionInfo": None, "latestLocalVersionInfo": None},
            "viewer": viewer(),
            "entity": lambda name: {"name": name, "organization": None, "user": None,
                                    "xxhashDigestsEnabled": False},
            "project": self.project,
            "model": lambda name=None, entityName=None: self.project(name, entityName),
            "artifact": lambda id: self.shown(self.artifacts[id]),
            "clientIDMapping": self.by_client_id,
            **changes,
        }  # fmt: skip

    # Reading

    def project(self, name: str | None = None, entityName: str | None = None) -> dict[str, Any]:
        project, entity = name or "uncategorized", entityName or ENTITY
        return {
            **shown_project(project, entity),
            "readOnly": False,
            "run": lambda name: self.shown_run(self.runs.get(name)),
            "bucket": lambda name, missingOk=False: self.shown_run(self.runs.get(name)),
            "artifactType": lambda name: {"name": name, "artifactCollection": nothing},
            "artifact": lambda name: self.membership(project, name),
            "artifactCollection": lambda name: {
                "__typename": "ArtifactSequence",
                "artifactMembership": lambda aliasName: self.membership(
                    project, f"{name}:{aliasName}"
                ),
            },
            "artifactCollectionMembership": lambda name: self.membership(project, name),
        }

    def membership(self, project: str, name: str) -> dict[str, Any] | None:
        collection, _, alias = name.partition(":")
        versions = self.committed(project, collection)
        named = [each for each in versions if alias in (*each.aliases, f"v{each.version}")]
        if not named:
            return None
        artifact, shown = named[-1], self.shown(named[-1])
        return {**shown, "__typename": "ArtifactCollectionMembership",
                "artifactCollection": shown["artifactSequence"], "artifact": shown,
                "files": lambda **_: self.file_urls(artifact, list(artifact.files))}  # fmt: skip

    def committed(self, project: str, collection: str) -> list[Artifact]:
        """The versions of a collection, oldest first."""
        versions = [a for a in self.artifacts.values() if a.state == "COMMITTED"]
        return [a for a in versions if (a.project, a.collection) == (project, collection)]

    def shown(self, artifact: Artifact | None) -> dict[str, Any] | None:
        if artifact is None:
            return None
        project = shown_project(artifact.project, artifact.entity)
        versions = self.committed(artifact.project, artifact.collection)
        sequence = {
            "__typename": "ArtifactSequence", "id": f"sequence-{artifact.collection}",
            "name": artifact.collection, "project": project,
            "latestArtifact": short(versions[-1]) if versions else None,
        }  # fmt: skip
        aliases = [
            {"__typename": "ArtifactAlias", "id": f"{artifact.id}-{alias}", "alias": alias,
             "artifactCollection": sequence}
            for alias in artifact.aliases
        ]  # fmt: skip
        manifest = {"file": {"directUrl": f"{self.url}/uploads/{artifact.manifest}"}}
        users = [run for run in self.runs.values() if artifact.id in run.inputs]
        return {
            **short(artifact),
            "__typename": "Artifact", "artifactSequence": sequence,
            "artifactType": {"name": artifact.type}, "description": None,
            "metadata": artifact.metadata, "ttlDurationSeconds": -2, "ttlIsInherited": True,
            "tags": [], "historyStep": None, "size": sum(map(len, self.files(artifact))),
            "digest": artifact.digest, "digestAlgorithm": "MANIFEST_MD5", "commitHash": None,
            "fileCount": len(artifact.files), "createdAt": NOW, "updatedAt": NOW,
            "aliases": aliases, "currentManifest": manifest,
            "createdBy": self.shown_run(self.runs.get(artifact.run or "")),
            "usedBy": {"edges": [{"node": self.shown_run(run)} for run in users]},
            "filesByManifestEntries": lambda entries, **_: self.file_urls(
                artifact, [entry["name"] for entry in entries]
            ),
        }  # fmt: skip

    def files(self, artifact: Artifact) -> list[bytes]:
        return [self.uploads[key] for key in artifact.files.values() if key in self.uploads]

    def file_urls(self, artifact: Artifact, names: list[str]) -> dict[str, Any]:
        urls = [f"{self.url}/uploads/{artifact.files[name]}" for name in names]
        nodes = [
            {"__typename": "File", "name": name, "directUrl": url}
            for name, url in zip(names, urls, strict=True)
        ]
        return connection(nodes)

    def shown_run(self, run: Run | None) -> dict[str, Any] | None:
        if run is None:
            return None
        lines = len(run.history)
        return {
            "__typename": "Run", "id": f"run-{run.number}", "name": run.name,
            "displayName": run.display_name, "jobType": run.job_type, "state": run.state,
            "project": shown_project(run.project, run.entity), "projectId": 1, "tags": [],
            "sweepName": None, "config": run.config, "summaryMetrics": run.summary,
            "systemMetrics": None, "group": None, "commit": None, "readOnly": False,
            "createdAt": NOW, "heartbeatAt": NOW, "description": None, "notes": None,
            "historyLineCount": lines, "logLineCount": 0, "eventsLineCount": 0,
            "historyTail": json.dumps(run.history[-1:]), "eventsTail": "[]", "historyKeys": None,
            "user": {"name": "Tester", "username": "tester"}, "wandbConfig": '{"t": 1}',
            "sampledHistory": lambda specs: [run.rows for _ in specs],
            "history": lambda **_: run.history,
            "inputArtifacts": lambda **_: self.connection(run.inputs),
            "outputArtifacts": lambda **_: self.connection(run.outputs),
        }  # fmt: skip

    def connection(self, ids: list[str]) -> dict[str, Any]:
        """Those of the artifacts that are whole: a run shows no others."""
        found = [self.artifacts[id_] for id_ in ids]
        return connection([self.shown(each) for each in found if each.state == "COMMITTED"])

    def by_client_id(self, clientID: str) -> dict[str, Any] | None:
        found = [a for a in self.artifacts.values() if a.client_id == clientID]
        return {"serverID": found[0].id} if found else None

    # Changing

    def upsert_run(self, input: dict[str, Any]) -> dict[str, Any]:
        name, project = input["name"], input.get("modelName") or "uncategorized"
        is_new = name not in self.runs
        if is_new:
            entity = input.get("entityName") or ENTITY
            self.runs[name] = Run(name, project, entity, len(self.runs) + 1)
        run = self.runs[name]
        run.display_name = input.get("displayName") or run.display_name
        run.job_type = input.get("jobType") or run.job_type
        run.config = input.get("config") or run.config
        run.summary = input.get("summaryMetrics") or run.summary
        return {"bucket": self.shown_run(run), "inserted": is_new}

    def stream(self, name: str, chunk: dict[str, Any]) -> None:
        """Take what the file stream brings: history, summary, and the end."""
        run, files = self.runs[name], chunk.get("files") or {}
        if history := files.get("wandb-history.jsonl"):
            run.history[history["offset"] :] = history["content"]
        if summary := files.get("wandb-summary.json"):
            run.summary = summary["content"][-1]
        if chunk.get("complete"):
            run.state = "finished" if chunk.get("exitcode") == 0 else "failed"

    def create_run_files(self, input: dict[str, Any]) -> dict[str, Any]:
        run = self.runs[input["runName"]]
        run.files |= {name: f"runs/{run.name}/{name}" for name in input["files"]}
        files = [
            {"name": n, "uploadUrl": f"{self.url}/uploads/{run.files[n]}"} for n in input["files"]
        ]
        return {"runID": run.name, "uploadHeaders": [], "files": files}

    def create_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        project, collection = input["projectName"], input["artifactCollectionName"]
        versions = self.committed(project, collection)
        same = [each for each in versions if each.digest == input["digest"]]
        artifact = same[0] if same else self._new_artifact(input, project, collection)
        if run := self.runs.get(input.get("runName") or ""):
            run.outputs = [*dict.fromkeys([*run.outputs, artifact.id])]
        return {"artifact": self.shown(artifact)}

    def _new_artifact(self, input: dict[str, Any], project: str, collection: str) -> Artifact:
        aliases = [alias["alias"] for alias in input.get("aliases") or ()]
        artifact = Artifact(
            f"artifact-{len(self.artifacts) + 1}", collection, input["artifactTypeName"], project,
            input.get("entityName") or ENTITY, len(self.committed(project, collection)),
            input["digest"], input.get("metadata"), input.get("clientID") or "",
            input.get("runName"), aliases,
        )  # fmt: skip
        self.artifacts[artifact.id] = artifact
        return artifact

    def create_manifest(self, input: dict[str, Any]) -> dict[str, Any]:
        artifact = self.artifacts[input["artifactID"]]
        artifact.manifest = f"manifests/{artifact.id}"
        return self._manifest(artifact)

    def update_manifest(self, input: dict[str, Any]) -> dict[str, Any]:
        return self._manifest(self.artifacts[input["artifactManifestID"].partition("-of-")[2]])

    def _manifest(self, artifact: Artifact) -> dict[str, Any]:
        url = f"{self.url}/uploads/{artifact.manifest}"
        file = {"id": "file", "uploadUrl": url, "uploadHeaders": []}
        return {"artifactManifest": {"id": f"manifest-of-{artifact.id}", "file": file}}

    def create_files(self, input: dict[str, Any]) -> dict[str, Any]:
        nodes = []
        for asked in input["artifactFiles"]:
            artifact = self.artifacts[asked["artifactID"]]
            key = f"artifacts/{artifact.id}/{asked['name']}"
            artifact.files[asked["name"]] = key
            nodes.append(
                {"storagePath": key, "uploadUrl": f"{self.url}/uploads/{key}", "uploadHeaders": [],
                 "uploadMultipartUrls": None, "artifact": short(artifact), "name": asked["name"]}
            )  # fmt: skip
        return {"files": connection(nodes)}

    def commit(self, input: dict[str, Any]) -> dict[str, Any]:
        artifact = self.artifacts[input["artifactID"]]
        for each in self.committed(artifact.project, artifact.collection):
            each.aliases = [alias for alias in each.aliases if alias not in artifact.aliases]
        artifact.state = "COMMITTED"
        return {"artifact": self.shown(artifact)}

    def use(self, input: dict[str, Any]) -> dict[str, Any]:
        run, artifact = self.runs[input["runName"]], self.artifacts[input["artifactID"]]
        run.inputs = [*dict.fromkeys([*run.inputs, artifact.id])]
        return {"artifact": self.shown(artifact)}

    # Asking

    def lineage(self) -> dict[str, tuple[list[str], list[str]]]:
        """What each run used and made, by display name: names of collections, sorted.

        The tables of predictions are left out, which W&B keeps as artifacts too.
        """
        collected: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
        for run in self.runs.values():
            for ids, into in zip(
                (run.inputs, run.outputs), collected[run.display_name], strict=True
            ):
                into.extend(sorted(each.collection for each in self.whole(ids)))
        return dict(collected)

    def whole(self, ids: list[str]) -> list[Artifact]:
        found = [self.artifacts[id_] for id_ in ids]
        return [each for each in found if each.state == "COMMITTED" and each.type != "run_table"]
