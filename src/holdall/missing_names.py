"""What to say about a name that is not there: where it is instead, or what was perhaps meant.

`INSTEAD` is for the names of MLflow that this package does not have, and for
its own old ones. A key is the full name without the package: `"evaluate"`,
`"pyfunc.spark_udf"`. A value completes "module 'holdall' has no attribute
'evaluate': ...".
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from difflib import get_close_matches
from typing import Final, NoReturn

INSTEAD: Final[dict[str, str]] = {
    "evaluate": "that is not here yet; `holdall guide mlflow` says what is",
    "data.get_dataset_source_from_json": "read the JSON of `dataset.source`",
    "data.get_registered_sources": "`holdall.data.get_source` reads every kind",
    "data.load_delta": "read the table, and describe it with `holdall.data.from_pandas(df, source=path)`",
    "models.EvaluationArtifact": "there is no evaluation; log what you measured with `holdall.log_metrics`",
    "models.EvaluationMetric": "there is no evaluation; log what you measured with `holdall.log_metrics`",
    "models.EvaluationResult": "there is no evaluation; log what you measured with `holdall.log_metrics`",
    "models.FlavorBackend": "a flavor of your own has the shape of `holdall.modeling.flavor.Flavor`",
    "models.MetricThreshold": "there is no evaluation; log what you measured with `holdall.log_metrics`",
    "models.Resource": "it is for Databricks; put what the model needs into `metadata`",
    "models.ResourceType": "it is for Databricks; put what the model needs into `metadata`",
    "models.add_libraries_to_model": "log the wheels as `extra_files`, and their lines as `pip_requirements`",
    "models.build_docker": "`holdall model export` writes a folder that any image can serve by `holdall model serve`",
    "models.evaluate": "measure it yourself, and log it with `holdall.log_metrics(metrics, model_id=...)`",
    "models.infer_pip_requirements": "`log_model` infers them; `holdall.pyfunc.get_model_dependencies` has them",
    "models.list_evaluators": "there are none; log what you measured with `holdall.log_metrics`",
    "models.make_metric": "measure it yourself, and log it with `holdall.log_metrics(metrics, model_id=...)`",
    "models.set_retriever_schema": "there is no retriever; put it into `metadata`",
    "pyfunc.ChatAgent": "derive from `holdall.pyfunc.PythonModel`, and take the messages as its input",
    "pyfunc.ChatModel": "derive from `holdall.pyfunc.PythonModel`, and take the messages as its input",
    "pyfunc.ResponsesAgent": "derive from `holdall.pyfunc.PythonModel`, and take the messages as its input",
    "pyfunc.add_to_model": "`log_model` makes the MLmodel file; `holdall.models.Model.add_flavor` changes one",
    "pyfunc.load_pyfunc": "it is called `holdall.pyfunc.load_model`",
    "pyfunc.spark_udf": "load the model with `holdall.pyfunc.load_model` in a pandas UDF of your own",
}


# what several names of MLflow have in common; a name without a module is that name wherever it is asked for
_ALIKE: Final[dict[str, str]] = {
    "there are no traces here; log what a call was given and answered with `holdall.log_table`": """
        add_trace context delete_trace_tag delete_traces end_span end_trace get_active_trace_id get_current_active_span
        get_last_active_trace_id get_trace link_prompt_versions_to_trace link_traces_to_run log_trace search_sessions
        search_traces set_trace_tag start_span start_span_no_context start_trace trace tracing unlink_traces_from_run
        update_current_trace otel agent
        entities.Document entities.InferenceTableLocation entities.Link entities.LiveSpan
        entities.MlflowExperimentLocation entities.NoOpSpan entities.Session entities.Span entities.SpanEvent
        entities.SpanLogLevel entities.SpanStatus entities.SpanStatusCode entities.SpanType entities.Trace
        entities.TraceArchivalConfig entities.TraceData entities.TraceInfo entities.TraceLocation
        entities.TraceLocationType entities.TraceState entities.UCSchemaLocation entities.UnityCatalog
        exceptions.MlflowTraceArchivalMalformedTrace exceptions.MlflowTraceDataCorrupted
        exceptions.MlflowTraceDataException exceptions.MlflowTraceDataNotFound exceptions.MlflowTracingException
        pyfunc.Context pyfunc.set_prediction_context
    """,
    "calls of this library are not traced, and its models have no flavor; "
    "log a model that calls it with `holdall.pyfunc.log_model(python_model=...)`": """
        ag2 agno anthropic autogen bedrock crewai dspy gemini groq haystack langchain litellm llama_index mistral openai
        pydantic_ai semantic_kernel smolagents strands claude_code
    """,
    "this flavor is not here; log the model with `holdall.pyfunc.log_model(python_model=...)`": """
        catboost diffusers h2o johnsnowlabs paddle pmdarima prophet pyspark rfunc sentence_transformers shap spacy spark
        statsmodels
    """,
    "there are no prompts here; log the text with `holdall.log_text`, or keep it beside a model as `extra_files`": """
        create_prompt create_prompt_version delete_prompt delete_prompt_alias delete_prompt_tag delete_prompt_version
        delete_prompt_version_tag detach_prompt_from_run get_prompt get_prompt_version get_prompt_version_by_alias
        link_prompt_version_to_model link_prompt_version_to_run list_logged_prompts load_prompt parse_prompt_uri prompt
        register_prompt search_prompt_versions search_prompts set_prompt_alias set_prompt_tag set_prompt_version_tag
        entities.Prompt entities.model_registry.Prompt entities.model_registry.PromptModelConfig
        entities.model_registry.PromptVersion
    """,
    "nothing is judged here; log what you judged with `holdall.log_metrics` or `holdall.log_table`": """
        delete_assessment get_assessment log_assessment log_expectation log_feedback log_issue override_feedback
        update_assessment validate_evaluation_results evaluation genai metrics test
        entities.Assessment entities.AssessmentError entities.AssessmentSource entities.AssessmentSourceType
        entities.Expectation entities.Feedback entities.Issue entities.IssueReference entities.IssueSeverity
        entities.IssueStatus entities.ScorerVersion
    """,
    "there are no evaluation data sets; describe one with `holdall.data.from_pandas`, and log it with "
    "`holdall.log_input`": """
        add_dataset_to_experiments create_dataset delete_dataset delete_dataset_tag get_dataset
        remove_dataset_from_experiments search_datasets set_dataset_tags
        entities.DatasetRecord entities.DatasetRecordSource entities.DatasetRecordSourceType
        entities.EntityAssociationType
    """,
    "a store has no workspaces: give each team a prefix or a bucket of its own, with `holdall.set_store`": """
        create_workspace delete_workspace get_workspace get_workspace_store_uri list_workspaces set_workspace
        update_workspace entities.Workspace entities.WorkspaceDeletionMode
    """,
    "a bucket calls nobody; let its own notifications do that, or ask with `holdall.search_model_versions`": """
        create_webhook delete_webhook get_webhook list_webhooks test_webhook update_webhook webhooks
        entities.Webhook
        entities.WebhookEvent entities.WebhookStatus entities.WebhookTestResult
    """,
    "there is no registry of MCP servers; what describes one can be logged with `holdall.log_dict`": """
        mcp create_mcp_access_endpoint create_mcp_server create_mcp_server_version delete_mcp_access_endpoint
        delete_mcp_server delete_mcp_server_alias delete_mcp_server_tag delete_mcp_server_version
        delete_mcp_server_version_tag get_latest_mcp_server_version get_mcp_access_endpoint get_mcp_server
        get_mcp_server_version get_mcp_server_version_by_alias refresh_mcp_server_version_tools
        search_mcp_access_endpoints search_mcp_server_versions search_mcp_servers set_mcp_server_alias
        set_mcp_server_tag set_mcp_server_version_tag update_mcp_access_endpoint update_mcp_server
        update_mcp_server_version entities.ConnectOptionSettings entities.MCPAccessEndpoint
        entities.MCPRemoteTransportType entities.MCPServer
        entities.MCPServerVersion entities.MCPStatus entities.MCPTool
    """,
    "there is no gateway; ask the provider itself": """
        gateway entities.BudgetAction entities.BudgetDuration entities.BudgetDurationUnit entities.BudgetTargetScope
        entities.BudgetUnit entities.FallbackConfig entities.FallbackStrategy entities.GatewayBudgetPolicy
        entities.GatewayEndpoint entities.GatewayEndpointBinding entities.GatewayEndpointModelConfig
        entities.GatewayEndpointModelMapping entities.GatewayEndpointTag entities.GatewayGuardrail
        entities.GatewayGuardrailConfig entities.GatewayModelDefinition entities.GatewayModelLinkageType
        entities.GatewayResourceType entities.GatewaySecretInfo entities.GuardrailAction entities.GuardrailStage
        entities.RoutingStrategy
    """,
    "a logged model is READY when it can be seen: log it whole, with `log_model` of its flavor": """
        create_external_model create_logged_model finalize_logged_model initialize_logged_model
    """,
    "what a model holds never changes; log the file beside it, with `holdall.log_artifact`, or the model again": """
        log_model_artifact log_model_artifacts
    """,
    "a logged model is as deleted as its run: `holdall.delete_run(model.source_run_id)`": "delete_logged_model",
    "no model is active; say in the call which one is meant: `holdall.log_metric(..., model_id=...)`": """
        ActiveModel clear_active_model get_active_model_id set_active_model
    """,
    "log the checkpoints with `holdall.log_artifacts`, or each as a model": "import_checkpoints",
    "an experiment's id is computed from its name, so it keeps it; create another one, or set its tag "
    "`mlflow.note.content`": "rename_experiment",
    "`holdall model serve` serves a model, and `holdall.registry.record_deployment` says where one is in use": """
        deployments sagemaker
    """,
    "there is no server and no database: the bucket is all": "server db",
    "`holdall --help` shows the commands": "ai_commands assistant cli experiments",
    "start a run for each trial, with `holdall.start_run(nested=True)`": "optuna",
    "there are no projects; start the script itself": "run projects exceptions.ExecutionException",
    "`holdall.open().maintenance.doctor()` tries what the bucket can do": "doctor",
    "credentials are the bucket's; `holdall guide s3` says where they come from": "login",
    "its names are in `holdall` itself: `holdall.set_tracking_uri` and so on": "system_metrics",
    "`run.info` says who started it, and the tag `mlflow.source.type` from what": "entities.SourceType",
    "it is for Databricks": """
        azure legacy_databricks_cli entities.model_registry.ModelVersionDeploymentJobState
        entities.model_registry.RegisteredModelDeploymentJobState pyfunc.DBConnectArtifactCache
        pyfunc.archive_directory pyfunc.extract_archive_to_dir
    """,
    "`holdall.search_model_versions` and `holdall.search_registered_models` give what they find as it is": """
        entities.model_registry.ModelVersionSearch entities.model_registry.RegisteredModelSearch
    """,
    "an error has `error.error_code`": "exceptions.get_error_code error_classification",
    "there is no configuration file that could be missing": "exceptions.MissingConfigException",
    "it is inside of MLflow; `dir(holdall)` says what is here": """
        environment_variables mismatch ml_package_versions pytest telemetry typesafe
    """,
    "it is `holdall.__version__`": "version",
    "`holdall.pyfunc.get_model_dependencies(uri)` says what a model needs, and `log_model` infers it": """
        get_default_conda_env get_default_pip_requirements pyfunc.EnvType pyfunc.build_model_env
    """,
    "`log_model` does that by itself, where `input_example` is given": """
        pyfunc.update_signature_for_type_hint_from_example transformers.generate_signature_output
        transformers.infer_or_get_default_signature transformers.infer_signature_from_llm_inference_task
    """,
    "`holdall.models.infer_signature` makes a schema of data": """
        types.schema.BaseType types.schema.TensorInfo types.schema.convert_dataclass_to_schema
    """,
    "log a state with `holdall.pytorch.log_state_dict`, and load it with `load_state_dict`": "pytorch.load_checkpoint",
    "a model is logged with its weights already": "transformers.persist_pretrained_model",
    "it is inside of MLflow; `holdall.transformers` has `log_model`, `save_model` and `load_model`": """
        transformers.FlavorKey transformers.build_flavor_config transformers.build_flavor_config_from_local_checkpoint
        transformers.convert_messages_to_prompt transformers.format_input_example_for_special_cases
        transformers.get_model_with_peft_adapter transformers.get_peft_base_model transformers.is_gpu_available
        transformers.is_peft_model transformers.load_model_and_components_from_huggingface_hub
        transformers.load_model_and_components_from_local transformers.load_model_and_components_from_local_base_path
        transformers.postprocess_output_for_llm_inference_task
        transformers.postprocess_output_for_llm_v1_embedding_task transformers.preprocess_llm_embedding_params
        transformers.preprocess_llm_inference_input transformers.save_local_checkpoint
        transformers.save_pipeline_components transformers.save_pipeline_pretrained_weights
        transformers.update_flavor_conf_to_persist_pretrained_model
    """,
}
INSTEAD.update({name: instead for instead, names in _ALIKE.items() for name in names.split()})


def explain(module: str, name: str, known: Collection[str]) -> str:
    """Return the text of the AttributeError for a name that a module does not have.

    Args:
        module: The module's full name.
        name: What was asked for. Names that begin with an underscore are asked for by tools, and get no advice.
        known: The names that the module has.
    """
    return f"module {module!r} has no attribute {name!r}{_advice(module, name, known)}"


def explain_attribute(kind: str, name: str, known: Collection[str]) -> str:
    """Return the text of the AttributeError for a name that an object of a public class does not have."""
    return f"{kind!r} object has no attribute {name!r}{_advice(f'holdall.{kind}', name, known)}"


def explaining(module: str, known: Collection[str]) -> Callable[[str], NoReturn]:
    """Return the `__getattr__` of a module: it raises the AttributeError that `explain` words."""

    def getter(name: str) -> NoReturn:
        raise AttributeError(explain(module, name, known), name=name)  # named, so that Python adds no advice of its own

    return getter


def _advice(module: str, name: str, known: Collection[str]) -> str:
    if name.startswith("_"):
        return ""
    place = f"{module}.{name}".removeprefix("holdall.")
    for known_as in (place, name):  # `autolog` is the same word in every flavor
        if known_as in INSTEAD:
            return f": {INSTEAD[known_as]}"
    near = sorted(other for other in known if other.startswith(name)) or get_close_matches(name, known, 1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""
