"""Events that are recognised for their label only: `faas.trigger` is `other` and nothing in them becomes an attribute.

Each line holds what its service alone sends. Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-services.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from ._base import NOTHING, EventSource, Trigger
from ._fields import Event, first_record, mapping


def _strings(event: Event, *names: str) -> bool:
    return all(isinstance(event.get(name), str) for name in names)


def _first_of_records(event: Event) -> Event:
    found = event.get("records")
    return mapping(cast("list[Any]", found)[0]) if isinstance(found, list) and found else NOTHING


def _ses(event: Event) -> bool:
    record = first_record(event)
    return record.get("eventSource") == "aws:ses" and isinstance(record.get("ses"), dict)


def _codecommit(event: Event) -> bool:
    record = first_record(event)
    return record.get("eventSource") == "aws:codecommit" and "codecommit" in record


def _dashboard(event: Event) -> bool:
    return "dashboardName" in mapping(event.get("widgetContext"))


def _logs(event: Event) -> bool:
    return isinstance(mapping(event.get("awslogs")).get("data"), str)


def _alarm(event: Event) -> bool:
    return event.get("source") == "aws.cloudwatch" and isinstance(event.get("alarmData"), dict)


def _transforms_records(event: Event) -> bool:
    record = _first_of_records(event)
    return isinstance(event.get("invocationId"), str) and "recordId" in record and "data" in record


def _kinesis_analytics(event: Event) -> bool:
    return _transforms_records(event) and "applicationArn" in event


def _cognito_user_pool(event: Event) -> bool:
    return _strings(event, "triggerSource", "userPoolId")


def _cognito_sync(event: Event) -> bool:
    return event.get("eventType") == "SyncTrigger" and "identityPoolId" in event


def _cloudformation(event: Event) -> bool:
    return _strings(event, "RequestType", "StackId", "LogicalResourceId")


def _config(event: Event) -> bool:
    return isinstance(event.get("configRuleName"), str) and "invokingEvent" in event


def _codepipeline(event: Event) -> bool:
    return isinstance(event.get("CodePipeline.job"), dict)


def _codedeploy_hook(event: Event) -> bool:
    return _strings(event, "DeploymentId", "LifecycleEventHookExecutionId")


def _connect(event: Event) -> bool:
    return event.get("Name") in ("ContactFlowEvent", "ContactFlowExecution") and isinstance(event.get("Details"), dict)


def _bedrock_agent(event: Event) -> bool:
    return isinstance(event.get("messageVersion"), str) and isinstance(event.get("agent"), dict)


def _is_lex(event: Event) -> bool:
    return isinstance(event.get("bot"), dict) and isinstance(event.get("messageVersion"), str)


def _lex_v2(event: Event) -> bool:
    return _is_lex(event) and isinstance(event.get("sessionState"), dict)


def _lex_v1(event: Event) -> bool:
    return _is_lex(event) and ("invocationSource" in event or "currentIntent" in event)


def _alexa_skill(event: Event) -> bool:
    typed = isinstance(mapping(event.get("request")).get("type"), str)
    return isinstance(event.get("version"), str) and typed and ("session" in event or "context" in event)


def _alexa_smart_home(event: Event) -> bool:
    header = mapping(event.get("header")) or mapping(mapping(event.get("directive")).get("header"))
    namespace = header.get("namespace")
    return isinstance(namespace, str) and namespace.startswith("Alexa")


def _secrets_manager(event: Event) -> bool:
    return _strings(event, "SecretId", "ClientRequestToken", "Step")


def _authorizer_iot(event: Event) -> bool:
    return isinstance(event.get("protocolData"), dict) and isinstance(event.get("protocols"), list)


def _authorizer_transfer(event: Event) -> bool:
    return _strings(event, "serverId", "username") and "protocol" in event


def _durable(event: Event) -> bool:
    return isinstance(event.get("DurableExecutionArn"), str)


def _step_functions(event: Event) -> bool:
    candidates = (event, mapping(event.get("Payload")), mapping(event.get("_datadog")))
    return any(all(isinstance(found.get(key), dict) for key in ("Execution", "State", "StateMachine")) for found in candidates)


def _describe(event: Event) -> Trigger:
    return Trigger()


def _source(name: str, matches: Callable[[Event], bool], key: str | None = None) -> EventSource:
    return EventSource(name, matches, _describe, key=key)


SES = _source("ses", _ses, key="Records")
CODECOMMIT = _source("codecommit", _codecommit, key="Records")
CLOUDWATCH_DASHBOARD = _source("cloudwatch_dashboard", _dashboard, key="widgetContext")
CLOUDWATCH_LOGS = _source("cloudwatch_logs", _logs, key="awslogs")
CLOUDWATCH_ALARM = _source("cloudwatch_alarm", _alarm, key="alarmData")
KINESIS_ANALYTICS = _source("kinesis_analytics", _kinesis_analytics, key="invocationId")
FIREHOSE = _source("firehose", _transforms_records, key="invocationId")
COGNITO_USER_POOL = _source("cognito_user_pool", _cognito_user_pool, key="userPoolId")
COGNITO_SYNC = _source("cognito_sync", _cognito_sync, key="identityPoolId")
CLOUDFORMATION = _source("cloudformation", _cloudformation, key="StackId")
CONFIG = _source("config", _config, key="configRuleName")
CODEPIPELINE = _source("codepipeline", _codepipeline, key="CodePipeline.job")
CODEDEPLOY_HOOK = _source("codedeploy_hook", _codedeploy_hook, key="DeploymentId")
CONNECT = _source("connect", _connect, key="Details")
BEDROCK_AGENT = _source("bedrock_agent", _bedrock_agent, key="agent")
LEX_V2 = _source("lex_v2", _lex_v2, key="bot")
LEX_V1 = _source("lex_v1", _lex_v1, key="bot")
ALEXA_SKILL = _source("alexa_skill", _alexa_skill, key="request")
ALEXA_SMART_HOME = _source("alexa_smart_home", _alexa_smart_home)
SECRETS_MANAGER = _source("secrets_manager", _secrets_manager, key="SecretId")
AUTHORIZER_IOT = _source("authorizer_iot", _authorizer_iot, key="protocolData")
AUTHORIZER_TRANSFER = _source("authorizer_transfer", _authorizer_transfer, key="serverId")
DURABLE = _source("durable", _durable, key="DurableExecutionArn")
STEP_FUNCTIONS = _source("step_functions", _step_functions)
