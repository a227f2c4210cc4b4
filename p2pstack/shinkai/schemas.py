"""What a message's content is: the names of all schemas that Shinkai nodes know (SHK-16).

A name stands in three places: in JSON, in the plaintext of an encrypted content, and in code that dispatches by it. The
first two differ for two of them.
"""

from __future__ import annotations

from enum import StrEnum

from p2pstack.shinkai.errors import UnknownSchema, shown

__all__ = ["MessageSchemaType"]


class MessageSchemaType(StrEnum):
    """The schemas, in the order of the original; the value is the name in JSON."""

    JOB_CREATION_SCHEMA = "JobCreationSchema"
    JOB_MESSAGE_SCHEMA = "JobMessageSchema"
    CREATE_REGISTRATION_CODE = "CreateRegistrationCode"
    USE_REGISTRATION_CODE = "UseRegistrationCode"
    API_GET_MESSAGES_FROM_INBOX_REQUEST = "APIGetMessagesFromInboxRequest"
    API_READ_UP_TO_TIME_REQUEST = "APIReadUpToTimeRequest"
    API_ADD_AGENT_REQUEST = "APIAddAgentRequest"
    API_SCAN_OLLAMA_MODELS = "APIScanOllamaModels"
    API_ADD_OLLAMA_MODELS = "APIAddOllamaModels"
    API_REMOVE_AGENT_REQUEST = "APIRemoveAgentRequest"
    API_MODIFY_AGENT_REQUEST = "APIModifyAgentRequest"
    API_FINISH_JOB = "APIFinishJob"
    CHANGE_JOB_AGENT_REQUEST = "ChangeJobAgentRequest"
    TEXT_CONTENT = "TextContent"
    CHANGE_NODES_NAME = "ChangeNodesName"
    WS_MESSAGE = "WSMessage"
    FORMATTED_MULTI_CONTENT = "FormattedMultiContent"
    SYMMETRIC_KEY_EXCHANGE = "SymmetricKeyExchange"
    ENCRYPTED_FILE_CONTENT = "EncryptedFileContent"
    EMPTY = "Empty"
    VEC_FS_RETRIEVE_PATH_SIMPLIFIED_JSON = "VecFsRetrievePathSimplifiedJson"
    VEC_FS_RETRIEVE_VECTOR_RESOURCE = "VecFsRetrieveVectorResource"
    VEC_FS_RETRIEVE_VRKAI = "VecFsRetrieveVRKai"
    VEC_FS_RETRIEVE_VRPACK = "VecFsRetrieveVRPack"
    VEC_FS_RETRIEVE_VECTOR_SEARCH_SIMPLIFIED_JSON = "VecFsRetrieveVectorSearchSimplifiedJson"
    VEC_FS_SEARCH_ITEMS = "VecFsSearchItems"
    VEC_FS_CREATE_FOLDER = "VecFsCreateFolder"
    VEC_FS_DELETE_FOLDER = "VecFsDeleteFolder"
    VEC_FS_MOVE_FOLDER = "VecFsMoveFolder"
    VEC_FS_COPY_FOLDER = "VecFsCopyFolder"
    VEC_FS_CREATE_ITEM = "VecFsCreateItem"
    VEC_FS_MOVE_ITEM = "VecFsMoveItem"
    VEC_FS_COPY_ITEM = "VecFsCopyItem"
    VEC_FS_DELETE_ITEM = "VecFsDeleteItem"
    AVAILABLE_SHARED_ITEMS = "AvailableSharedItems"
    AVAILABLE_SHARED_ITEMS_RESPONSE = "AvailableSharedItemsResponse"
    CONVERT_FILES_AND_SAVE_TO_FOLDER = "ConvertFilesAndSaveToFolder"
    UPDATE_LOCAL_PROCESSING_PREFERENCE = "UpdateLocalProcessingPreference"
    GET_PROCESSING_PREFERENCE = "GetProcessingPreference"
    API_REMOVE_TOOLKIT = "APIRemoveToolkit"
    API_ADD_TOOLKIT = "APIAddToolkit"
    API_LIST_TOOLKITS = "APIListToolkits"
    GET_NOTIFICATIONS_BEFORE_TIMESTAMP = "GetNotificationsBeforeTimestamp"
    GET_LAST_NOTIFICATIONS = "GetLastNotifications"
    SEARCH_WORKFLOWS = "SearchWorkflows"
    ADD_WORKFLOW = "AddWorkflow"
    UPDATE_WORKFLOW = "UpdateWorkflow"
    REMOVE_WORKFLOW = "RemoveWorkflow"
    GET_WORKFLOW = "GetWorkflow"
    LIST_WORKFLOWS = "ListWorkflows"
    UPDATE_SUPPORTED_EMBEDDING_MODELS = "UpdateSupportedEmbeddingModels"
    UPDATE_DEFAULT_EMBEDDING_MODEL = "UpdateDefaultEmbeddingModel"
    SET_SHINKAI_TOOL = "SetShinkaiTool"
    LIST_ALL_SHINKAI_TOOLS = "ListAllShinkaiTools"
    GET_SHINKAI_TOOL = "GetShinkaiTool"
    SEARCH_SHINKAI_TOOL = "SearchShinkaiTool"
    INVOICE_REQUEST = "InvoiceRequest"
    INVOICE = "Invoice"
    PAID_INVOICE = "PaidInvoice"
    INVOICE_RESULT = "InvoiceResult"
    INVOICE_REQUEST_NETWORK_ERROR = "InvoiceRequestNetworkError"
    AGENT_NETWORK_OFFERING_REQUEST = "AgentNetworkOfferingRequest"
    AGENT_NETWORK_OFFERING_RESPONSE = "AgentNetworkOfferingResponse"

    @property
    def cipher_name(self) -> str:
        """The name in the plaintext of an encrypted content."""
        return _CIPHER_NAMES.get(self, self.value)

    @classmethod
    def from_cipher_name(cls, name: str) -> MessageSchemaType:
        """Return the schema that a name in a decrypted content stands for.

        ``FileContent``, which writers put there for :attr:`ENCRYPTED_FILE_CONTENT`, is known to no reader.

        Raises:
            UnknownSchema: the name stands for none.
        """
        try:
            return _BY_CIPHER_NAME[name]
        except KeyError:
            raise UnknownSchema(f"a content has the unknown schema {shown(name)}", requirement="SHK-16") from None


_CIPHER_NAMES = {MessageSchemaType.EMPTY: "", MessageSchemaType.ENCRYPTED_FILE_CONTENT: "FileContent"}

_BY_CIPHER_NAME = {"" if schema is MessageSchemaType.EMPTY else schema.value: schema for schema in MessageSchemaType}
"""The names that readers know. They read ``EncryptedFileContent``, which no writer writes."""
