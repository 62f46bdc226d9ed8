"""What can be wrong with work in the background and with files on their way to it: the branch `JobError`.

JobError    JobNotFound · JobCancelled · JobInterrupted · JobFailed · UploadNotFound · UploadGivenUp
"""

from core.errors import KnowGLMError
from core.messages import Message


class JobError(KnowGLMError):
    """Something about a job."""


class JobNotFound(JobError):
    """No job has this id, or it ended so long ago that it is no longer remembered."""

    code, http_status = "job_not_found", 404
    what = Message("没有编号为“{id}”的任务。", "There is no job “{id}”.")
    cure = Message("它可能早已结束；请刷新页面。", "It may have ended long ago; reload the page.")


class JobCancelled(JobError):
    """Its user wanted no more of it."""

    code, http_status = "job_cancelled", 409
    what = Message("任务已取消。", "The job was cancelled.")
    cure = Message("取消之前完成的部分已经保存。", "What was finished before is kept.")


class JobInterrupted(JobError):
    """The program ended, or was ending, before the job did."""

    code, http_status = "job_interrupted", 503
    what = Message("程序正在退出，任务没有做完。", "The program is ending, the job is not finished.")
    cure = Message(
        "已完成的部分已经保存；上传的文件会在下次启动后继续处理。",
        "What was finished is kept; uploaded files are taken up again when the program starts next.",
    )


class JobFailed(JobError):
    """A job raised what nobody had foreseen; the log has the traceback."""

    code = "job_failed"
    what = Message("任务意外出错：{detail}", "The job failed unexpectedly: {detail}")
    cure = Message(
        "再试一次；若仍然出错，请把程序的日志附在问题报告里。",
        "Try again; if it fails again, report it together with the program's log.",
    )


class UploadNotFound(JobError):
    """No upload has this id, it belongs to somebody else, or the program was started anew before it was complete."""

    code, http_status = "upload_not_found", 404
    what = Message("没有编号为“{id}”的上传。", "There is no upload “{id}”.")
    cure = Message("请重新选择文件上传。", "Choose the files and upload them again.")


class UploadGivenUp(JobError):
    """The program did not survive any of several attempts to read the files of an upload."""

    code = "upload_given_up"
    what = Message(
        "处理这些上传的文件时，程序 {count} 次意外退出，不再继续：{names}",
        "The program died {count} times while it read these uploaded files, and gives them up: {names}",
    )
    cure = Message(
        "其中可能有一个文件大到内存放不下；请分几次上传，找出是哪一个。",
        "One of them may be too large for the memory; upload them a few at a time to find which.",
    )
